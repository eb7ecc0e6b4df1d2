import { PROVIDER_NAMES } from '@agentcostcontrol/contract'
import t from 'tap'
import { routePath } from '../providers/registry.ts'

const read = (path: string): readonly [string, string] => {
  const { provider, path: below } = routePath(path)
  return [provider, below]
}

t.test('a path with a name means that provider, with and without the version of its base URL', async (t) => {
  for (const name of PROVIDER_NAMES) {
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
