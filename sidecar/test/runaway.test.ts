import type { Segment, UsageEvent } from '@agentcostcontrol/contract'
import { type CompiledRunaway, type CompiledSecurity, compilePolicy } from '@agentcostcontrol/policy'
import fc from 'fast-check'
import t from 'tap'
import type { Authorized } from '../exchange.ts'
import { fingerprintOf, likeness } from '../runaway/fingerprint.ts'
import { Repeats } from '../runaway/repeats.ts'
import { Velocity } from '../runaway/velocity.ts'
import { createRunawayControl } from '../runaway/watch.ts'
import { Throttle } from '../throttle.ts'
import { FakeTime } from './support/fake-time.ts'

const MINUTE = 60_000
const user = (text: string, at = 0): Segment => ({ source: 'user', path: ['messages', at, 'content'], text })
const assistant = (text: string, at = 0): Segment => ({ ...user(text, at), source: 'assistant' })
const print = (...segments: Segment[]) => {
  const found = fingerprintOf(segments, { messages: [] })
  if (found === null) throw new Error('there is nothing to compare')
  return found
}
const WORDS = 'please look through the ledger of this month and tell which of the invoices were paid twice and by whom '
const LOOP = { count: 5, withinMs: MINUTE, similarity: 0.9 }

t.test('only what was said since the model spoke last is compared, and pictures are a part of it', (t) => {
  const grown = print(user('hello'), assistant('hi', 1), user('more', 2))
  t.equal(grown.exact, print(user('more', 2)).exact)
  t.equal(print(user('more'), assistant('{', 1)).exact, print(user('more')).exact, 'words put into its mouth')
  t.equal(fingerprintOf([{ ...user('x'), path: ['user'] }], {}), null, 'settings are no text of a conversation')
  const picture = (data: string) =>
    fingerprintOf([user('what is this?')], { messages: [{ content: [{ image_url: { url: data } }] }] })?.exact
  t.not(picture('data:a'), picture('data:b'))
  t.equal(picture('data:a'), picture('data:a'))
  t.end()
})

t.test('the likeness of two texts is 1 for the same, high for one that differs in a number, low for others', (t) => {
  const long = WORDS.repeat(10)
  const sketch = (text: string) => print(user(text)).sketch() ?? new Uint32Array(64)
  t.equal(likeness(sketch(long), sketch(long)), 1)
  t.ok(likeness(sketch(`${long} try 17`), sketch(`${long} try 18`)) > 0.9)
  t.ok(
    likeness(sketch(long), sketch('a quite different matter, of which nothing stands in the other one at all')) < 0.2,
  )
  t.equal(print(user('2+2?')).sketch(), null, 'a short text is another one with every character')
  t.equal(print(user('x'.repeat(100_000))).sketch(), null)
  t.end()
})

t.test(
  'the same text again and again is a loop at its count within its time, and is counted from the begin then',
  (t) => {
    const repeats = new Repeats()
    const at = (seconds: number) => repeats.count('s', print(user('again')), LOOP, seconds * 1_000)
    t.same([0, 10, 20, 30].map(at), [false, false, false, false])
    t.equal(at(40), true)
    t.equal(at(41), false)
    t.same([100, 120, 140, 160, 180, 200, 220].map(at), [false, false, false, false, false, false, false], 'too slowly')
    t.end()
  },
)

t.test('texts that are nearly the same are a loop, of another session or another text they are none', (t) => {
  const repeats = new Repeats()
  const attempt = (number: number) => print(user(`${WORDS.repeat(4)}(attempt ${number})`))
  const told = [1, 2, 3, 4, 5].map((number) => repeats.count('s', attempt(number), LOOP, number))
  t.same(told, [false, false, false, false, true])
  for (let session = 0; session < 20; session++)
    t.equal(repeats.count(`session ${session}`, print(user('hello')), LOOP, session), false)
  const exact = { ...LOOP, similarity: 1 }
  for (let number = 0; number < 20; number++) t.equal(repeats.count('batch', attempt(number), exact, number), false)
  t.end()
})

t.test('a conversation that grows and a batch of different texts are no loop', (t) => {
  const repeats = new Repeats()
  const words = WORDS.split(' ')
  for (let turn = 0; turn < 50; turn++) {
    const said = [...words.slice(turn % 7), `turn ${turn * 7919}`, ...words.slice(0, turn % 11)]
      .reverse()
      .join(`${turn} `)
    const history = Array.from({ length: turn }, (_, at) => (at % 2 === 0 ? user('again', at) : assistant('ok', at)))
    t.equal(repeats.count('s', print(...history, assistant('yes'), user(said, turn)), LOOP, turn * 100), false)
  }
  t.end()
})

t.test('whatever is asked, a loop is told after `count` equal texts at the earliest, in bounded memory', (t) => {
  const asks = fc.array(fc.tuple(fc.nat(3), fc.nat(30), fc.nat(20_000)), { maxLength: 120 })
  fc.assert(
    fc.property(asks, (all) => {
      const repeats = new Repeats()
      const seen = new Map<string, number[]>()
      let now = 0
      for (const [session, text, pause] of all) {
        now += pause
        const key = `${session} ${text}`
        const times = [...(seen.get(key) ?? []).filter((time) => now - time < MINUTE), now]
        seen.set(key, times)
        const loop = repeats.count(String(session), print(user(`text ${text}`)), LOOP, now)
        if (loop && times.length < LOOP.count) return false
        if (loop) seen.set(key, [])
      }
      return repeats.size <= 4
    }),
  )
  const repeats = new Repeats()
  for (let session = 0; session < 3_000; session++) repeats.count(`s${session}`, print(user('x')), LOOP, session)
  t.equal(repeats.size, 1_000)
  t.end()
})

const FAST = { factor: 5, minPerMinute: 1_000, windowMs: MINUTE }

/** Spends so much every ten seconds. @returns the time at the end */
function spend(velocity: Velocity, nano: number, fromMs: number, minutes: number): number {
  const endMs = fromMs + minutes * MINUTE
  for (let now = fromMs; now < endMs; now += 10_000) velocity.spent('a', nano, FAST, now)
  return endMs
}

t.test(
  'spending many times faster than is usual is seen once a window, and steady spending never, however dear',
  (t) => {
    const velocity = new Velocity()
    let now = 0
    for (let minute = 0; minute < 30; minute++) {
      now = spend(velocity, 1_000, now, 1)
      t.equal(velocity.judge('a', FAST, now - 1), null, 'steady')
    }
    now = spend(velocity, 10_000, now, 1)
    const seen = velocity.judge('a', FAST, now - 1)
    t.ok(seen !== null && seen.perMinute === 60_000, `${seen?.perMinute}`)
    t.ok(seen?.usualPerMinute != null && Math.abs(seen.usualPerMinute - 6_000) < 100, `${seen?.usualPerMinute}`)
    t.equal(velocity.judge('a', FAST, now), null, 'told already')
    t.equal(velocity.judge('b', FAST, now), null, 'another agent')
    t.end()
  },
)

t.test('what is cheap is never too fast, nor what has no past yet', (t) => {
  const velocity = new Velocity()
  t.equal(velocity.judge('a', FAST, spend(velocity, 100_000, 0, 1) - 1), null, 'a first minute')
  const cheap = new Velocity()
  const now = spend(cheap, 1, 0, 20)
  t.equal(cheap.judge('a', FAST, spend(cheap, 100, now, 1) - 1), null)
  t.end()
})

t.test('an agent that was silent for hours has been cheap, and agents that are remembered have a bound', (t) => {
  const velocity = new Velocity()
  spend(velocity, 10_000, 0, 10)
  const now = spend(velocity, 10_000, 100 * 60 * MINUTE, 1)
  t.not(velocity.judge('a', FAST, now - 1), null)
  for (let agent = 0; agent < 3_000; agent++) velocity.spent(`agent ${agent}`, 1, FAST, now)
  t.equal(velocity.size, 1_000)
  t.end()
})

t.test('a throttle lets one request pass at a time, evenly spaced, and ends by itself', (t) => {
  const throttle = new Throttle(10)
  t.equal(throttle.take('a', 0), 0)
  throttle.slow('a', { requestsPerMinute: 6, forMs: 5 * MINUTE }, 0)
  const passed = Array.from({ length: 60 }, (_, second) => throttle.take('a', second * 1_000)).filter((ms) => ms === 0)
  t.equal(passed.length, 6)
  t.equal(throttle.take('a', 59_500), 500)
  t.equal(throttle.take('b', 59_500), 0)
  t.same([throttle.take('a', 5 * MINUTE), throttle.take('a', 5 * MINUTE)], [0, 0])
  t.end()
})

const BURST = `apiVersion: agentcostcontrol.io/v1
kind: SecurityPolicy
metadata: { name: bursts }
spec:
  detectors: {}
  runaway:
    velocity: { factor: 4, minUsdPerMinute: "0.10" }
    action: pause
`

/** The control on a clock that a test holds, for requests that ask for nothing that is compared. */
function controlled(over: Partial<CompiledRunaway> = {}) {
  const compiled = compilePolicy([{ path: 'a.yaml', text: BURST }])
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems))
  const principal = { agent: 'a', workflow: null, session: null, task: null, tags: {} }
  const found = compiled.policy.securityFor(principal, null)
  if (!found?.runaway) throw new Error('the policy looks for nothing')
  const security: CompiledSecurity = { ...found, runaway: { ...found.runaway, ...over } }
  const time = new FakeTime()
  const paused: string[] = []
  const agents = { pauseHere: (agent: string | null) => void paused.push(agent ?? '') }
  const { watch, spent } = createRunawayControl({ securityFor: () => security, agents, clock: time })
  const ask = { kind: 'passThrough' }
  return {
    paused,
    time,
    /** A request that costs so many nano-USD. */
    request: (nano: number) => {
      const seen = watch({ security, identified: { ask, principal } } as unknown as Authorized)
      const attempts = [{ chargedNanoUsd: String(nano) }] as unknown as UsageEvent['attempts']
      spent({ principal, attempts })
      return seen
    },
  }
}

t.test('an agent that suddenly spends many times what it used to is paused; in audit mode it is only told', (t) => {
  for (const mode of ['enforce', 'audit'] as const) {
    const { request, time, paused } = controlled({ mode })
    for (let at = 0; at < 120; at++) {
      t.same(request(10_000_000), [], 'ten times a minute for a cent')
      time.pass(6_000)
    }
    const seen = Array.from({ length: 60 }, () => request(20_000_000)).find(
      (each) => !Array.isArray(each) || each.length,
    )
    const finding = { detectorId: 'loop', ruleId: 'spend-velocity', action: 'block', mode }
    if (mode === 'audit') t.match(seen, [finding])
    else t.match(seen, { kind: 'denial', code: 'acc_agent_paused', retryAfterS: 600, findings: [finding] })
    t.same(paused, mode === 'audit' ? [] : ['a'])
  }
  t.end()
})
