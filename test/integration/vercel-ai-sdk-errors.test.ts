import { createOpenAI } from '@ai-sdk/openai'
import { generateText, streamText } from 'ai'
import t from 'tap'
import { recordedFetch } from '../support/sdk.ts'
import { type Told, toldByAi } from '../support/sdk-errors.ts'
import { budgetYaml, securityYaml } from '../support/sidecar.ts'
import { billOf, chargedOf, eventsOf, tagged, twinsFor } from '../support/twins.ts'

const API_ERROR = 'AI_APICallError'
const STATUSES = [400, 401, 403, 404, 408, 409, 422, 429, 500, 502, 503, 504, 529]

/** A fault of the provider, and what the SDK must make of it: held here too, so that two equal mistakes do not pass. */
interface Fault {
  readonly fault: string
  readonly of: 'plain' | 'streamed'
  readonly raises: Told
}

const FAULTS: readonly Fault[] = [
  ...(['plain', 'streamed'] as const).flatMap((of) => [
    ...STATUSES.map((statusCode) => ({ fault: `status-${statusCode}`, of, raises: { name: API_ERROR, statusCode } })),
    { fault: 'reset-before-headers', of, raises: { name: API_ERROR, statusCode: undefined, isRetryable: true } },
    { fault: 'hang', of, raises: { name: 'TimeoutError' } },
  ]),
  { fault: 'truncated-json', of: 'plain', raises: { name: API_ERROR, statusCode: 200 } },
  { fault: 'cut-mid-body', of: 'plain', raises: { name: API_ERROR, statusCode: 200 } },
  { fault: 'cut-mid-stream', of: 'streamed', raises: { name: API_ERROR, statusCode: 200 } },
  { fault: 'reset-mid-stream', of: 'streamed', raises: { name: API_ERROR, statusCode: 200 } },
  { fault: 'error-event', of: 'streamed', raises: { name: 'AI_StreamProviderError', message: /server had an error/ } },
]

interface Asking {
  readonly tag: string
  readonly headers?: Readonly<Record<string, string>>
  readonly prompt?: string
  readonly maxRetries?: number
  readonly fetch?: typeof fetch
  readonly timeoutMs?: number
}

const optionsFor = (baseURL: string, asking: Asking) => {
  const { tag, headers = {}, prompt = 'hello', maxRetries = 0, fetch: own = fetch, timeoutMs = 20_000 } = asking
  const provider = createOpenAI({ baseURL, apiKey: 'sk-test', headers: { ...tagged(tag), ...headers }, fetch: own })
  return { model: provider.chat('gpt-4.1-mini'), prompt, maxRetries, abortSignal: AbortSignal.timeout(timeoutMs) }
}

/** The error of a plain answer, or its text. */
const plain = (baseURL: string, asking: Asking): Promise<Told> =>
  generateText(optionsFor(baseURL, asking)).then(({ text }) => ({ text }), toldByAi)

/** The error of a stream as its reader sees it, or its text. */
async function streamed(baseURL: string, asking: Asking): Promise<Told> {
  let text = ''
  try {
    for await (const part of streamText({ ...optionsFor(baseURL, asking), onError: () => {} }).fullStream) {
      if (part.type === 'text-delta') text += part.text
      if (part.type === 'error') return toldByAi(part.error)
      if (part.type === 'abort') return { name: 'TimeoutError' }
    }
  } catch (error) {
    return toldByAi(error)
  }
  return { text }
}

t.test('the Vercel AI SDK raises the same error, with the same fields, as without us', async (t) => {
  const twins = await twinsFor(t)
  for (const { fault, of, raises } of FAULTS) {
    await t.test(`${of} ${fault}`, async (t) => {
      const ask = of === 'plain' ? plain : streamed
      const timeoutMs = fault === 'hang' ? 300 : 20_000
      const asking = { tag: `${of}-${fault}`, headers: { 'x-sim-fault': fault }, timeoutMs }
      const direct = await ask(`${twins.direct.url}/v1`, asking)
      const through = await ask(`${twins.sidecar.url}/openai/v1`, asking)
      t.match(direct, raises)
      t.strictSame(through, direct)
      t.equal(twins.behind.requests().length, twins.direct.requests().length)
    })
  }
})

t.test('the Vercel AI SDK tries again as it does without us, no sooner than the provider says', async (t) => {
  const twins = await twinsFor(t)
  await Promise.all(
    [
      ['status-429', 2],
      ['status-500', 2],
      ['reset-before-headers', 2],
      ['status-400', 1],
    ].map(async ([fault, attempts]) => {
      const tag = String(fault)
      const ask = async (baseURL: string) => {
        const recorded = recordedFetch((headers, attempt) => {
          if (attempt === 0) headers.set('x-sim-fault', tag)
        })
        const answer = await plain(baseURL, { tag, maxRetries: 2, fetch: recorded.fetch })
        const [first, second] = recorded.attempts
        const pausedMs = first && second ? second.atMs - first.atMs : null
        return { answer, statuses: recorded.attempts.map(({ status }) => status), pausedMs }
      }
      const [direct, through] = await Promise.all([ask(`${twins.direct.url}/v1`), ask(`${twins.sidecar.url}/v1`)])
      t.equal(through.statuses.length, attempts)
      t.strictSame([through.answer, through.statuses], [direct.answer, direct.statuses], tag)
      if (fault === 'status-429') t.ok((through.pausedMs ?? 0) >= 1_000)
      const events = await eventsOf(twins.sidecar, tag, Number(attempts))
      const billed = billOf(twins.behind, tag).reduce((sum, nano) => sum + BigInt(nano), 0n)
      if (fault !== 'reset-before-headers') t.equal(chargedOf(events), billed)
    }),
  )
})

t.test('the sidecar’s own refusals are the Vercel AI SDK’s API errors, with their code', async (t) => {
  const key = `ghp_${'x7Qm2LpR9sTv4WzY1bCd6FgH8jKn3MqS5uEa'}`
  const { sidecar, behind } = await twinsFor(t, {
    env: { ACC_BODY_BYTES_MAX: '20000' },
    policies: {
      'poor.yaml': budgetYaml({ name: 'poor', limit: '0.000001', agent: 'poor' }),
      'security.yaml': securityYaml({ request: 'block' }),
    },
  })
  const refusals: readonly (readonly [asking: Asking, statusCode: number, code: string, isRetryable: boolean])[] = [
    [{ tag: 'spent', headers: { 'x-acc-agent': 'poor' } }, 429, 'acc_budget_exceeded', true],
    [{ tag: 'secret', prompt: `my key is ${key}` }, 403, 'acc_security_blocked', false],
    [{ tag: 'large', prompt: 'long '.repeat(10_000) }, 413, 'acc_body_too_large', false],
  ]
  for (const [asking, statusCode, code, isRetryable] of refusals) {
    for (const ask of [plain, streamed]) {
      const recorded = recordedFetch()
      const maxRetries = isRetryable ? 0 : 2
      const error = await ask(`${sidecar.url}/v1`, { ...asking, fetch: recorded.fetch, maxRetries })
      t.match(error, { name: API_ERROR, statusCode, isRetryable, data: { error: { code } } }, code)
      t.equal(recorded.attempts.length, 1)
    }
  }
  t.equal(behind.requests().length, 0, 'nothing was sent')
})
