import type { GenerateContentParameters } from '@google/genai'
import t from 'tap'
import { GEMINI_BASE, geminiAt, toldByGemini } from '../support/gemini.ts'
import { recordedFetch } from '../support/sdk.ts'
import { providerYaml } from '../support/sidecar.ts'
import { billOf, chargedOf, eventsOf, twinsFor } from '../support/twins.ts'

/** One fault of the provider, and what the SDK must make of it. */
interface Fault {
  readonly fault: string
  readonly of: 'plain' | 'streamed'
  /** What the SDK raises: held here too, so that the table cannot pass on two equal mistakes. */
  readonly raises: { readonly name: string; readonly status?: number }
  readonly encoding?: 'gzip'
}

const STATUSES = [400, 401, 403, 404, 408, 409, 429, 499, 500, 501, 503, 504]
const API_ERROR = 'ApiError'

const FAULTS: readonly Fault[] = [
  ...(['plain', 'streamed'] as const).flatMap((of) => [
    ...STATUSES.map((status) => ({ fault: `status-${status}`, of, raises: { name: API_ERROR, status } })),
    { fault: 'hang', of, raises: { name: 'AbortError' } },
    { fault: 'reset-before-headers', of, raises: { name: 'TypeError' } },
  ]),
  { fault: 'truncated-json', of: 'plain', raises: { name: 'SyntaxError' } },
  { fault: 'truncated-json', of: 'plain', raises: { name: 'SyntaxError' }, encoding: 'gzip' },
  { fault: 'cut-mid-body', of: 'plain', raises: { name: 'TypeError' } },
  { fault: 'cut-mid-stream', of: 'streamed', raises: { name: 'TypeError' } },
  { fault: 'reset-mid-stream', of: 'streamed', raises: { name: 'TypeError' } },
  { fault: 'error-event', of: 'streamed', raises: { name: API_ERROR, status: 500 } },
  { fault: 'error-event', of: 'streamed', raises: { name: API_ERROR, status: 500 }, encoding: 'gzip' },
]

const titleOf = ({ of, fault, encoding }: Fault): string => [of, encoding, fault].filter(Boolean).join(' ')
const HELLO: GenerateContentParameters = { model: 'gemini-2.5-flash', contents: 'hello' }

/** Asks as a row says; what came before the error, and the error. */
async function ask(url: string, row: Fault): Promise<{ readonly seen: string; readonly error: unknown }> {
  const { fault, of, encoding } = row
  const client = geminiAt(url, titleOf(row), {
    timeout: fault === 'hang' ? 300 : 20_000,
    headers: { 'x-sim-fault': fault, ...(encoding ? { 'x-sim-encoding': encoding } : {}) },
  })
  let seen = ''
  try {
    if (of === 'plain') seen = (await client.models.generateContent(HELLO)).text ?? ''
    else for await (const { text } of await client.models.generateContentStream(HELLO)) seen += text ?? ''
    return { seen, error: null }
  } catch (error) {
    return { seen, error: toldByGemini(error) }
  }
}

t.test('the SDK raises the same error, with the same words, as without us', async (t) => {
  // A client that leaves is drained, so that what never answers is waited for.
  const policies = { 'provider.yaml': providerYaml({ headersTimeoutMs: 2_000 }, 'google') }
  const twins = await twinsFor(t, { policies })
  for (const fault of FAULTS) {
    await t.test(titleOf(fault), async (t) => {
      const direct = await ask(twins.direct.url + GEMINI_BASE.direct, fault)
      const through = await ask(twins.sidecar.url + GEMINI_BASE.through, fault)
      t.match(direct.error, fault.raises)
      t.strictSame(through.error, direct.error)
      if (!/cut|reset/.test(fault.fault)) t.equal(through.seen, direct.seen)
      t.equal(twins.behind.requests().length, twins.direct.requests().length, 'and sends as many requests')
      const [event] = await eventsOf(twins.sidecar, titleOf(fault), 1)
      const billed = twins.behind.bill.entries().find(({ tag }) => tag === titleOf(fault))
      t.ok(chargedOf(event ? [event] : []) * 1_000n >= BigInt(billed?.costPicoUsd ?? 0))
    })
  }
})

t.test(
  'an SDK that is set to try again does so as without us, and each attempt is charged as it is billed',
  async (t) => {
    const twins = await twinsFor(t)
    for (const [fault, attempts] of [
      ['status-429', 2],
      ['status-503', 2],
      ['status-400', 1],
    ] as const) {
      const ask = async (url: string) => {
        const recorded = recordedFetch((headers, attempt) => {
          if (attempt === 0) headers.set('x-sim-fault', fault)
        })
        const retryOptions = { attempts: 3, initialDelay: 0.01, jitter: 0 }
        const client = geminiAt(url, fault, { fetch: recorded.fetch, retryOptions })
        const answer = await client.models.generateContent(HELLO).then(({ text }) => text, toldByGemini)
        return { answer, statuses: recorded.attempts.map(({ status }) => status) }
      }
      const direct = await ask(twins.direct.url + GEMINI_BASE.direct)
      const through = await ask(twins.sidecar.url + GEMINI_BASE.through)
      t.strictSame(through, direct)
      t.equal(through.statuses.length, attempts)
      const events = await eventsOf(twins.sidecar, fault, attempts)
      t.equal(chargedOf(events), BigInt(billOf(twins.behind, fault)[0] ?? 0))
    }
  },
)
