import { randomUUID } from 'node:crypto'
import { nanoUsd, type UsageEvent, ZERO_USD } from '@agentcostcontrol/contract'
import t from 'tap'
import { unread } from '../answer/answer.ts'
import { systemClock, systemTimers } from '../clock.ts'
import type { Settlement } from '../events/types.ts'
import { createUsageEvents } from '../events/usage-events.ts'
import type { Authorized, Identified, Inspected, Planned, RawExchange, Reserved } from '../exchange.ts'
import { createJobs } from '../jobs.ts'
import { createPipeline, type PipelineStages } from '../pipeline.ts'

const PRICES = { version: 'test' }

const EVENTS = {
  instanceId: 'i',
  prices: PRICES,
  clock: systemClock,
  readPrincipal: () => ({ agent: null, workflow: null, session: null, task: null, tags: {} }),
}

/** The way of a request, down to a stage that fails in a way that nobody foresaw. */
function exchangeThrowingIn(stage: keyof PipelineStages | null) {
  const { raw, identified, authorized, inspected, planned, reserved } = wayThrough()
  const settlements: Settlement[] = []
  const events: UsageEvent[] = []
  const failures: unknown[] = []
  const statuses: number[] = []
  const stages: PipelineStages = {
    identify: () => identified,
    authorize: () => authorized,
    watch: () => [],
    inspectRequest: () => inspected,
    plan: () => planned,
    reserve: async () => reserved,
    forward: async () => ({
      result: unread('completed', null, 200),
      status: 200,
      sent: true,
      sentAtMs: 0,
      firstByteMs: 0,
    }),
    meter: () => ({ precision: 'none', reason: null, usage: null, cost: null, charged: ZERO_USD }),
    events: createUsageEvents(EVENTS),
    outbox: {
      writable: true,
      commitIntent: async () => {},
      settle: (settlement) => settlements.push(settlement),
      record: (event) => events.push(event),
    },
    jobs: createJobs(systemTimers),
    demotions: { judge: () => {} },
    policyRevision: () => 'r',
    observe: () => {},
    onInternalError: (error) => failures.push(error),
    ...(stage ? { [stage]: thrown } : {}),
  }
  const reply = {
    headSent: false,
    head: (status: number) => statuses.push(status),
    write: () => true,
    onDrain: () => {},
    end: () => {},
    destroy: () => {},
    hold: () => true,
  }
  const done = createPipeline(stages).handle(raw, reply)
  return { done, settlements, events, failures, statuses }
}

const thrown = (): never => {
  throw new RangeError('nobody foresaw this')
}

/** What each stage hands on; only what the end of an exchange looks at is there. */
function wayThrough() {
  const raw = {
    id: randomUUID(),
    receivedAtMs: 0,
    startedMs: 0,
    acceptedMs: 0,
    method: 'POST',
    target: '/v1/chat/completions',
    headers: [],
    body: Buffer.alloc(0),
    client: { gone: false, signal: new AbortController().signal, onGone: () => {} },
  } satisfies RawExchange
  const principal = { agent: null, workflow: null, session: null, task: null, tags: {} }
  const ask = { kind: 'passThrough', billable: false }
  const identified = {
    raw,
    provider: 'openai',
    operation: 'o',
    upstreamTarget: '/',
    principal,
    ask,
  } as unknown as Identified
  const authorized = { identified, policy: { revision: 'r' } } as Authorized
  const inspected = { authorized, body: raw.body, findings: [], warnings: [], turn: null } as Inspected
  const target = { provider: { provider: 'openai' }, model: 'm', baseUrl: '', priced: null }
  const planned = { inspected, targets: [target] } as unknown as Planned
  const reservation = { bound: nanoUsd(700n), holds: [] }
  const event = createUsageEvents(EVENTS).unresolved(inspected, planned.targets[0], reservation, null, null)
  const cover = { kind: 'covered', intent: { reservation, event }, bound: null }
  const reserved = { planned, target, cover, body: raw.body, hidesUsage: false, clampedOutputTokens: null }
  return { raw, identified, authorized, inspected, planned, reserved: reserved as unknown as Reserved }
}

t.test('an exchange without a fault is settled once', async (t) => {
  const { done, settlements, events, failures } = exchangeThrowingIn(null)
  await done
  t.equal(settlements.length, 1)
  t.same([events, failures], [[], []])
})

for (const stage of ['identify', 'authorize', 'watch', 'inspectRequest', 'plan', 'reserve'] as const) {
  t.test(`a fault in ${stage}: one event, nothing charged, 500 to the client`, async (t) => {
    const { done, settlements, events, failures, statuses } = exchangeThrowingIn(stage)
    await done
    t.same(settlements, [])
    t.match(events, [{ outcome: 'failed', code: 'acc_internal', clientStatus: 500, attempts: [] }])
    t.equal(events.length, 1)
    t.equal(failures.length, 1)
    t.same(statuses, [500])
  })
}

t.test('a fault while the attempt is under way: one settlement, metered as one without a result', async (t) => {
  const { done, settlements, events, failures } = exchangeThrowingIn('forward')
  await done
  t.equal(settlements.length, 1)
  t.match(settlements[0]?.event, { outcome: 'failed', code: 'acc_internal', clientStatus: null })
  t.same(events, [])
  t.equal(failures.length, 1)
})

t.test('a fault in metering: one settlement, charged at the bound', async (t) => {
  const { done, settlements, events, failures } = exchangeThrowingIn('meter')
  await done
  t.equal(settlements.length, 1)
  t.equal(settlements[0]?.charged, 700n)
  t.has(settlements[0]?.event, { outcome: 'failed', code: 'acc_internal', attempts: [{ chargedNanoUsd: '700' }] })
  t.same(events, [])
  t.equal(failures.length, 1)
})
