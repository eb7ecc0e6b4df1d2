import type { Case } from './corpus.ts'
import { request } from './raw-http.ts'

const KEY = 'X-Goog-Api-Key: any'
const TYPE = 'Content-Type: application/json'
const PLAIN = '{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}'
const BODIES: Readonly<Record<string, string>> = {
  plain: PLAIN,
  'spaces and escapes':
    ' \r\n{ \t"contents" :[{"parts":{"text":"a\\u0062 é漢😀 \\/"}}] , "generation_config":{"temperature":1.0e-0,"seed":12345678901234567890} }\n',
  'a large body': PLAIN.replace('hello', 'é漢😀 '.repeat(40_000)),
  'both spellings': PLAIN.replace('{', '{"generationConfig":{"maxOutputTokens":"50","max_output_tokens":60},'),
  'JSON that is none, for the provider to refuse': '{"contents":[]}',
}
const METHODS = ['generateContent', 'streamGenerateContent?alt=sse', 'streamGenerateContent', 'countTokens']
const CONTROLS: readonly (readonly string[])[] = [
  ['X-Sim-Encoding: gzip'],
  ['X-Sim-Encoding: br'],
  ['X-Sim-Fault: one-byte-chunks', 'X-Sim-Output-Tokens: 4'],
  ['X-Sim-Fault: split-utf8', `X-Sim-Reply: ${encodeURIComponent('é漢😀')}`],
  ['X-Sim-Fault: error-event'],
  ['X-Sim-Fault: end-mid-stream'],
  ['X-Sim-Fault: no-usage'],
  ['X-Sim-Fault: malformed-usage'],
  ['X-Sim-Fault: refusal'],
  ['X-Sim-Fault: status-429'],
  ['X-Sim-Fault: status-503'],
]

const target = (method: string): string => `POST /google/v1beta/models/gemini-2.5-flash:${method}`
const content = (name: string, method: string, body: string, headers: readonly string[] = []): Case => ({
  name: `Gemini, ${method}: ${name}`,
  bytes: request(target(method), [KEY, TYPE, ...headers], body),
})

/** Requests for content of every kind, as bytes: nothing is taken out of any of them. */
export const GEMINI_CORPUS: readonly Case[] = [
  ...METHODS.flatMap((method) => Object.entries(BODIES).map(([name, body]) => content(name, method, body))),
  ...METHODS.slice(0, 3).flatMap((method) =>
    CONTROLS.map((controls) => content(controls[0] ?? '', method, PLAIN, controls)),
  ),
  content('a batch', 'batchEmbedContents', '{"requests":[{"content":{"parts":[{"text":"é漢"}]}}] }'),
  { name: 'Gemini: a key in the query', bytes: request(`${target('generateContent')}?key=a%20b&x=1`, [TYPE], PLAIN) },
  {
    name: 'Gemini: a colon that is encoded',
    bytes: request(target('generateContent').replace(':gen', '%3Agen'), [KEY, TYPE], PLAIN),
  },
  { name: 'Gemini: models', bytes: request('GET /google/v1beta/models?pageSize=5', [KEY]) },
  {
    name: 'Gemini: a cache that may cost',
    bytes: request('POST /google/v1beta/cachedContents', [KEY, TYPE], '{"ttl":"60s"}'),
  },
]
