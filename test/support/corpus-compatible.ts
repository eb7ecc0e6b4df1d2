import type { Case } from './corpus.ts'
import { request } from './raw-http.ts'

const JSON_TYPE = 'Content-Type: application/json'

/** Providers that speak OpenAI's format, a model of each, and whether a stream of theirs must be asked for its usage. */
export const COMPATIBLE: readonly (readonly [name: string, model: string, isAsked: boolean])[] = [
  ['cerebras', 'gpt-oss-120b', true],
  ['deepseek', 'deepseek-v3', true],
  ['fireworks', 'gpt-oss-120b', false],
  ['groq', 'llama-3.3-70b-versatile', false],
  ['mistral', 'mistral-large-2512', false],
  ['moonshotai', 'kimi-k2.5', false],
  ['openrouter', 'openai/gpt-4.1-mini', false],
  ['together', 'MiniMaxAI/MiniMax-M3', false],
  ['xai', 'grok-4.3', true],
]

/** Requests for their chats, as bytes: nothing is asked of a stream that tells its usage unasked, and nothing taken out. */
export const COMPATIBLE_CORPUS: readonly Case[] = COMPATIBLE.flatMap(([name, model, isAsked]) => {
  const body = `{"model":"${model}","messages":[{"role":"user","content":"hello é漢😀"}]}`
  const stream = body.replace('{', '{"stream":true,')
  const chat = (title: string, text: string, headers: readonly string[] = [], hidden = false): Case => ({
    name: `${name}: ${title}`,
    bytes: request(`POST /${name}/v1/chat/completions`, ['Authorization: Bearer k', JSON_TYPE, ...headers], text),
    hidden,
  })
  return [
    chat('plain', body),
    chat('streamed', stream, [], isAsked),
    chat('streamed, gzip', stream, ['X-Sim-Encoding: gzip'], isAsked),
    chat('no usage', stream, ['X-Sim-Fault: no-usage', 'X-Sim-Output-Tokens: 41'], isAsked),
    chat('status 422', body, ['X-Sim-Fault: status-422']),
  ]
})

const MESSAGES = '{"model":"qwen3:8b","messages":[{"role":"user","content":"hello"}]}'
const PROMPT = '{"model":"llama3.2:3b","prompt":"hello é漢😀"}'
const plainly = (body: string): string => body.replace('{', '{"stream":false,')
const ollama = (name: string, path: string, body: string, headers: readonly string[] = []): Case => ({
  name: `Ollama: ${name}`,
  bytes: request(`POST /ollama${path}`, [JSON_TYPE, ...headers], body),
})

/** Requests to Ollama, as bytes: nothing is taken out of any of them. */
export const OLLAMA_CORPUS: readonly Case[] = [
  ollama('streamed', '/api/chat', MESSAGES),
  ollama('plain', '/api/chat', plainly(MESSAGES)),
  ollama('a prompt, streamed', '/api/generate', PROMPT),
  ollama('a prompt, plain', '/api/generate', plainly(PROMPT)),
  ollama(
    'odd JSON',
    '/api/chat',
    ' {\t"messages" : [{"role":"user","content":"a\\u0062 é漢😀 \\/"}] ,\r\n"model":"qwen3:8b","options":{"seed":12345678901234567890,"num_predict":-1}}\n',
  ),
  ollama('a large body', '/api/chat', MESSAGES.replace('hello', 'é漢😀 '.repeat(40_000))),
  ollama('lines ending with CRLF', '/api/chat', MESSAGES, ['X-Sim-Lines: crlf']),
  ollama('empty lines', '/api/chat', MESSAGES, ['X-Sim-Lines: comments,crlf']),
  ollama('byte by byte', '/api/chat', MESSAGES, ['X-Sim-Fault: one-byte-chunks', 'X-Sim-Output-Tokens: 4']),
  ollama('characters cut in two', '/api/generate', PROMPT, [
    'X-Sim-Fault: split-utf8',
    `X-Sim-Reply: ${encodeURIComponent('é漢😀')}`,
  ]),
  ...['error-event', 'cut-mid-stream', 'end-mid-stream', 'no-usage', 'malformed-usage'].map((fault) =>
    ollama(fault, '/api/chat', MESSAGES, [`X-Sim-Fault: ${fault}`]),
  ),
  ...['cut-mid-body', 'truncated-json', 'status-400', 'status-404', 'status-500'].map((fault) =>
    ollama(fault, '/api/chat', plainly(MESSAGES), [`X-Sim-Fault: ${fault}`]),
  ),
  ...['gzip', 'br', 'deflate', 'zstd'].map((coding) =>
    ollama(`streamed, ${coding}`, '/api/chat', MESSAGES, [`X-Sim-Encoding: ${coding}`]),
  ),
  ollama('loading a model', '/api/generate', '{"model":"qwen3:8b"}'),
  ollama('embeddings', '/api/embed', '{"model":"qwen3:8b","input":["a","b"]}'),
  ollama('details', '/api/show', '{"model":"qwen3:8b"}'),
  ollama('fetching a model', '/api/pull', '{"model":"qwen3:8b"}'),
  { name: 'Ollama: tags', bytes: request('GET /ollama/api/tags', []) },
  { name: 'Ollama: version', bytes: request('GET /ollama/api/version?x=%2F', []) },
  {
    name: 'Ollama: OpenAI’s chat',
    bytes: request('POST /ollama/v1/chat/completions', ['Authorization: Bearer ollama', JSON_TYPE], MESSAGES),
  },
]
