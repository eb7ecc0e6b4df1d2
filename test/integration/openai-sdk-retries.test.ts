import t from 'tap'
import { openaiAt, recordedFetch } from '../support/sdk.ts'
import { told } from '../support/sdk-errors.ts'
import { billOf, chargedOf, eventsOf, twinsFor } from '../support/twins.ts'

const ASK = { model: 'gpt-4.1-mini', messages: [{ role: 'user' as const, content: 'hello' }] }

/** Faults of the first attempt, and how many attempts the SDK then makes. */
const FAULTS: readonly (readonly [fault: string, attempts: number])[] = [
  ['status-400', 1],
  ['status-401', 1],
  ['status-403', 1],
  ['status-404', 1],
  ['status-422', 1],
  ['status-408', 2],
  ['status-409', 2],
  ['status-429', 2],
  ['status-500', 2],
  ['status-503', 2],
  ['status-529', 2],
  ['reset-before-headers', 2],
  ['hang', 2],
]

/** What `Retry-After` of the simulated 429 says. */
const TOLD_MS = 1_000

/** Meets the fault at the first attempt alone. */
async function askAgain(baseURL: string, fault: string, stream: boolean) {
  const recorded = recordedFetch((headers, attempt) => {
    if (attempt === 0) headers.set('x-sim-fault', fault)
  })
  const client = openaiAt(baseURL, `${fault}-${stream}`, {
    maxRetries: 2,
    fetch: recorded.fetch,
    ...(fault === 'hang' ? { timeout: 1_500 } : {}),
  })
  const [answer, error] = await client.chat.completions.create({ ...ASK, stream }).then(
    async (given) => {
      if (!('controller' in given)) return [given.choices, null]
      const texts: unknown[] = []
      for await (const { choices } of given) texts.push(choices)
      return [texts, null]
    },
    (thrown: unknown) => [null, told(thrown).class],
  )
  const [first, second] = recorded.attempts
  const pausedMs = first && second ? second.atMs - first.atMs : null
  return { told: { answer, error, statuses: recorded.attempts.map(({ status }) => status) }, pausedMs }
}

t.test('the SDK tries again as it does without us, and each attempt is charged what the provider bills', async (t) => {
  const twins = await twinsFor(t)
  const rows = FAULTS.flatMap(([fault, attempts]) => [false, true].map((stream) => ({ fault, attempts, stream })))
  await Promise.all(
    rows.map(async ({ fault, attempts, stream }) => {
      const name = `${fault}${stream ? ', streamed' : ''}`
      const [direct, through] = await Promise.all([
        askAgain(`${twins.direct.url}/v1`, fault, stream),
        askAgain(`${twins.sidecar.url}/openai/v1`, fault, stream),
      ])
      t.strictSame(through.told, direct.told, `${name}: the same in the end`)
      t.equal(through.told.statuses.length, attempts, `${name}: ${attempts} attempts`)
      for (const { pausedMs } of fault === 'status-429' ? [direct, through] : [])
        t.ok(pausedMs !== null && pausedMs >= TOLD_MS, `${name}: waits for as long as the provider says`)

      const tag = `${fault}-${stream}`
      const events = await eventsOf(twins.sidecar, tag, attempts)
      t.equal(events.length, attempts, `${name}: one event an attempt`)
      const billed = billOf(twins.behind, tag).reduce((sum, nano) => sum + BigInt(nano), 0n)
      const charged = chargedOf(events)
      if (fault === 'hang' || fault === 'reset-before-headers' || fault === 'status-408') {
        t.ok(charged > billed, `${name}: what may have been billed is charged`)
      } else t.equal(charged, billed, `${name}: charged what was billed`)
    }),
  )
})
