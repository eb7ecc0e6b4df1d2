import { PROVIDER_NAMES } from '@agentcostcontrol/contract'
import t from 'tap'
import { routePath } from '../providers/registry.ts'

const read = (path: string): readonly [string, string] => {
  const { provider, path: below } = routePath(path)
  return [provider, below]
}

t.test('a path with a name means that provider, with and without the version of its base URL', async (t) => {
  for (const name of PROVIDER_NAMES.filter((each) => !['google', 'azure', 'ollama'].includes(each))) {
    t.strictSame(read(`/${name}/v1/chat/completions`), [name, '/chat/completions'])
    t.strictSame(read(`/${name}/chat/completions`), [name, '/chat/completions'])
  }
})

t.test('the paths of the messages API mean Anthropic without its name', async (t) => {
  for (const path of ['/messages', '/messages/count_tokens', '/messages/batches', '/messages/batches/b/results']) {
    t.strictSame(read(`/v1${path}`), ['anthropic', path])
    t.strictSame(read(path), ['anthropic', path])
    t.strictSame(read(`/anthropic/v1${path}`), ['anthropic', path])
    t.strictSame(read(`/openai/v1${path}`), ['openai', path], 'a name wins')
  }
  for (const path of ['/v1/messages/', '/v1/messages/other', '/v1/threads/t/messages', '/messages2'])
    t.equal(routePath(path).provider, 'openai', path)
})

t.test('Gemini’s base URL holds no version, so its paths keep theirs; both of its names mean it', async (t) => {
  for (const name of ['google', 'gemini']) {
    for (const path of ['/v1beta/models/m:generateContent', '/v1/models', '/models/m:generateContent'])
      t.strictSame(read(`/${name}${path}`), ['google', path])
  }
})

t.test('paths that only Gemini has mean it without its name', async (t) => {
  for (const path of [
    '/v1beta/models/gemini-2.5-flash:generateContent',
    '/v1beta/models',
    '/v1alpha/anything',
    '/upload/v1beta/files',
    '/upload/v1/files',
    '/v1/models/gemini-2.5-flash:streamGenerateContent',
    '/v1/models/gemini-2.5-flash:countTokens',
    '/v1/cachedContents',
  ])
    t.strictSame(read(path), ['google', path])
  for (const path of ['/v1/models', '/v1/models/ft:gpt-4.1:acme:suffix:id', '/v1/models/ft:gpt-4.1', '/v1beta2/models'])
    t.equal(routePath(path).provider, 'openai', path)
})

t.test('Azure’s base URL is its endpoint, and what only it has means it without its name', async (t) => {
  for (const path of ['/openai/v1/chat/completions', '/openai/deployments/d/chat/completions', '/openai/models'])
    t.strictSame(read(`/azure${path}`), ['azure', path])
  t.strictSame(read('/openai/deployments/d/chat/completions'), ['azure', '/openai/deployments/d/chat/completions'])
  t.strictSame(
    read('/openai/v1/deployments/d/chat/completions'),
    ['azure', '/openai/deployments/d/chat/completions'],
    'the version that OPENAI_BASE_URL puts in front is not Azure’s',
  )
  t.strictSame(read('/openai/v1/chat/completions'), ['openai', '/chat/completions'])
  t.strictSame(read('/openai/v1/deployment/d'), ['openai', '/deployment/d'])
})

t.test('Ollama’s base URL holds no path, and its own paths mean it without its name', async (t) => {
  for (const path of ['/api/chat', '/api/generate', '/api/tags', '/api/blobs/sha256:0', '/api/embed']) {
    t.strictSame(read(path), ['ollama', path])
    t.strictSame(read(`/ollama${path}`), ['ollama', path])
  }
  t.strictSame(read('/ollama/v1/chat/completions'), ['ollama', '/v1/chat/completions'])
  for (const path of ['/api/chats', '/api/v1/chat', '/api', '/api/web_search'])
    t.equal(routePath(path).provider, 'openai', path)
})

t.test('a path without a name is OpenAI’s', async (t) => {
  t.strictSame(read('/v1/chat/completions'), ['openai', '/chat/completions'])
  t.strictSame(read('/chat/completions'), ['openai', '/chat/completions'])
  t.strictSame(read('/'), ['openai', '/'])
})

t.test('what a provider’s own SDK puts in front is taken off', async (t) => {
  t.strictSame(read('/groq/openai/v1/chat/completions'), ['groq', '/chat/completions'])
  t.strictSame(read('/openrouter/api/v1/models'), ['openrouter', '/models'])
  t.strictSame(read('/fireworks/inference/v1/models'), ['fireworks', '/models'])
})

t.test('a name that only begins like a provider’s is none', async (t) => {
  t.strictSame(read('/openai2/v1/models'), ['openai', '/openai2/v1/models'])
  t.strictSame(read('/v1x/models'), ['openai', '/v1x/models'])
})
