import fc from 'fast-check'
import t from 'tap'
import { isDenial } from '../exchange.ts'
import { azureFamily } from '../providers/azure/endpoints.ts'
import { NDJSON } from '../providers/ndjson.ts'
import { ollamaChat, ollamaEmbed, ollamaGenerate } from '../providers/ollama/adapters.ts'
import { ollamaFamily } from '../providers/ollama/endpoints.ts'
import { chatAdapter } from '../providers/openai/chat.ts'
import { CHAT_DIALECTS } from '../providers/openai/dialects.ts'
import type { ProviderAdapter } from '../providers/provider.ts'

const endpoint = azureFamily.endpoint('POST', '/openai/deployments/d/chat/completions', 'api-version=2024-10-21')
if (endpoint.kind !== 'metered') throw new Error('not metered')
const OLLAMA = [ollamaChat, ollamaGenerate, ollamaEmbed]
const CHATS = [endpoint.adapter, ...Object.values(CHAT_DIALECTS).map(chatAdapter)]
const ALL: readonly ProviderAdapter[] = [...OLLAMA, ...CHATS]

const NAMES = [
  'model',
  'messages',
  'content',
  'role',
  'images',
  'image_url',
  'url',
  'tool_calls',
  'function',
  'arguments',
  'name',
  'tools',
  'options',
  'num_predict',
  'prompt',
  'input',
  'context',
  'format',
  'stream',
  'stream_options',
  'data_sources',
  'max_tokens',
  'max_completion_tokens',
  'n',
  'prediction',
  'choices',
  'delta',
  'message',
  'text',
  'thinking',
  'reasoning_details',
  'response',
  'usage',
  'x_groq',
  'cached_tokens',
  'num_cached_tokens',
  'prompt_cache_hit_tokens',
  'prompt_tokens',
  'completion_tokens',
  'total_tokens',
  'prompt_tokens_details',
  'completion_tokens_details',
  'reasoning_tokens',
  'cost',
  'cost_details',
  'upstream_inference_cost',
  'cost_in_usd_ticks',
  'is_byok',
  'finish_reason',
  'index',
  'id',
  'done',
  'done_reason',
  'prompt_eval_count',
  'eval_count',
  'error',
  '__proto__',
]
/** JSON of any shape, most of it made of the members that the formats have. */
const { json } = fc.letrec((tie) => ({
  json: fc.oneof(
    { maxDepth: 6 },
    fc.oneof(
      fc.string(),
      fc.double(),
      fc.nat(),
      fc.boolean(),
      fc.constant(null),
      fc.constantFrom('user', 'stop', 'load', 'data:image/png;base64,AAAA'),
    ),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(
      fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...NAMES) }, { weight: 1, arbitrary: fc.string() }),
      tie('json'),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
}))

t.test('a body of any shape is read, bounded, limited and redacted without an error, and stays JSON', async (t) => {
  fc.assert(
    fc.property(json, (any) => {
      const object = typeof any === 'object' && any !== null && !Array.isArray(any)
      const body = Buffer.from(JSON.stringify(object ? { ...any, model: 'm' } : any) ?? 'null')
      for (const adapter of ALL) {
        const request = adapter.parse(JSON.parse(body.toString()), { model: null, stream: true })
        if (isDenial(request)) continue
        const bound = adapter.bound(request, body.length)
        if (bound.kind === 'bounded' && !(bound.inputTokensMax > 0)) throw new Error('a bound of nothing')
        const limited = JSON.parse(adapter.limitOutput(body, request, 5).toString())
        if (adapter !== ollamaEmbed) {
          const asked = adapter.bound({ ...request, json: limited }, body.length).outputTokensAsked
          if (asked !== 5) throw new Error(`the limit does not hold: ${asked}`)
        }
        const edits = adapter
          .segments(request)
          .filter(({ path: [first] }) => first !== '__proto__')
          .map((segment) => ({ segment, text: '"x"' }))
        JSON.parse(adapter.replaceSegments(body, edits).toString())
        adapter.askForUsage(body, request)
        adapter.outputIsVisible('m', adapter.remember(request))
      }
    }),
    { numRuns: 600 },
  )
  t.pass()
})

t.test('an answer of any shape, plain and streamed, is read without an error', async (t) => {
  const request = { model: 'm', stream: true, json: {} }
  fc.assert(
    fc.property(fc.array(json, { maxLength: 3 }), (events) => {
      for (const adapter of ALL) {
        const stream = adapter.openStream(request)
        for (const event of events) {
          const text = JSON.stringify(event) ?? 'null'
          adapter.readAnswer(JSON.parse(text), request)
          adapter.answerSegments(JSON.parse(text))
          stream.read(text)
          stream.read(text.slice(1))
        }
        const { usage, started, providerCost = 0n } = stream.facts()
        for (const figure of Object.values(usage ?? started ?? {}))
          if (!Number.isSafeInteger(figure) || figure < 0) throw new Error(`${figure} is no number of tokens`)
        if (providerCost < 0n || providerCost > 10n ** 16n) throw new Error(`${providerCost} is no cost`)
        if (!(stream.outputBytes() >= 0)) throw new Error('no number of bytes')
      }
    }),
    { numRuns: 1_000 },
  )
  t.pass()
})

t.test('any bytes are cut into lines that put together are the bytes again, and none is too long to end', async (t) => {
  const bytes = fc.array(fc.constantFrom('{"a":1}', '\n', '\r\n', ' ', 'é漢😀', '"\\n"', '{'), { maxLength: 30 })
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(200), { maxLength: 10 }), (parts, cuts) => {
      const all = Buffer.from(parts.join(''))
      const splitter = NDJSON.splitter(1_000)
      const events: Buffer[] = []
      let from = 0
      for (const to of [...cuts.map((cut) => Math.min(cut, all.length)).toSorted((a, b) => a - b), all.length]) {
        events.push(...splitter.push(Buffer.from(all.subarray(from, to))))
        from = to
      }
      events.push(...[splitter.flush()].filter((rest) => rest !== null))
      if (!Buffer.concat(events).equals(all)) throw new Error('not the bytes')
      for (const event of events) {
        const data = NDJSON.data(event)
        if (data?.span && event.toString('utf8', data.span.start, data.span.end) !== data.text)
          throw new Error('not there')
        if (data === null && event.toString().trim() !== '') throw new Error('a line without data')
      }
    }),
  )
  t.throws(() => NDJSON.splitter(10).push(Buffer.from('a'.repeat(11))), RangeError)
})

t.test('a path of any shape is one endpoint or another, and none of it costs unseen', async (t) => {
  const part = fc.constantFrom(
    'openai',
    'v1',
    'deployments',
    'd',
    'chat',
    'completions',
    'api',
    'pull',
    '',
    '..',
    'models',
  )
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 7 }),
      fc.constantFrom('GET', 'POST', 'PUT'),
      fc.string(),
      (parts, method, query) => {
        const path = `/${parts.join('/')}`
        for (const family of [azureFamily, ollamaFamily]) {
          const found = family.endpoint(method, path, query)
          if (method === 'PUT' && found.kind !== 'billable') throw new Error(`${path} is ${found.kind}`)
        }
      },
    ),
    { numRuns: 2_000 },
  )
  t.pass()
})
