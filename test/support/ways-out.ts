import type { Code, Outcome, UsageEvent } from '@agentcostcontrol/contract'
import type { Simulator } from '@agentcostcontrol/simulator'
import type { Test } from 'tap'
import { type Ask, send } from './ask.ts'
import { faultsOf, readBooks } from './books.ts'
import type { Scope } from './scope.ts'
import { sidecarFor, type TestSidecar, type TestSidecarOptions } from './sidecar.ts'
import { simulatorFor } from './simulator.ts'
import { until } from './until.ts'

/** Where a way out is tried. */
export interface Place {
  readonly sidecar: TestSidecar
  readonly simulator: Simulator
  /** Sends a chat request to the sidecar; it stands in the simulator's bill under the tag of this way. */
  ask(ask?: Ask): Promise<Response>
}

/**
 * What the budgets are charged.
 * - `nothing`: zero, and nothing was billed
 * - `bill`: the simulator's bill to the nano
 * - `bound`: the whole reservation
 * - `estimate`: marked as estimated, at least the bill and at most the bound
 */
export type Charged = 'nothing' | 'bill' | 'bound' | 'estimate'

/** How an exchange ends, as its one event tells it. */
export interface Ending {
  readonly outcome: Outcome
  readonly code: Code | null
  readonly clientStatus: number | null
  readonly charged: Charged
}

/** One way out of the pipeline. */
export interface Way {
  readonly name: string
  /**
   * Takes it. An answer that is returned must tell status, code and id of the event; an amount is what is charged, in
   * nano-USD, as the test counts it.
   */
  go(place: Place): Promise<Response | bigint | null>
  /** In the order in which they end, where it takes more than one exchange. */
  readonly ends: readonly Ending[]
}

/** Ways out of sidecars with the same settings. */
export interface Desk {
  readonly name: string
  readonly settings?: Omit<TestSidecarOptions, 'upstream'>
  /** Makes the data folder that the sidecar finds; an empty one if left out. */
  dataDir?(t: Scope): string
  /** Base URL of the provider; the simulator if left out. */
  upstream?(t: Scope): Promise<string>
  readonly ways: readonly Way[]
}

/** A refusal in front of the provider. */
export const denied = (code: Code, clientStatus: number | null): readonly Ending[] => [
  { outcome: 'denied', code, clientStatus, charged: 'nothing' },
]

/** An answer of the provider that went through. */
export const completed = (clientStatus: number, charged: Charged): readonly Ending[] => [
  { outcome: 'completed', code: null, clientStatus, charged },
]

/** A provider that failed. */
export const failed = (code: Code, clientStatus: number | null, charged: Charged): readonly Ending[] => [
  { outcome: 'failed', code, clientStatus, charged },
]

/** A client that left. */
export const aborted = (charged: Charged): readonly Ending[] => [
  { outcome: 'aborted', code: null, clientStatus: null, charged },
]

/** Tries every way of a desk on one sidecar: one event and one settlement each, and books that balance at the end. */
export async function tryDesk(t: Test, desk: Desk): Promise<void> {
  const simulator = await simulatorFor(t)
  const upstream = (await desk.upstream?.(t)) ?? `${simulator.url}/v1`
  const found = desk.dataDir === undefined ? {} : { dataDir: desk.dataDir(t) }
  const sidecar = await sidecarFor(t, { upstream, ...desk.settings, ...found })
  let told = 0
  for (const [at, way] of desk.ways.entries()) {
    await t.test(way.name, async (t) => {
      const tag = String(at)
      const place: Place = {
        sidecar,
        simulator,
        ask: (ask = {}) => send(sidecar.url, { prompt: `way ${tag}`, ...ask, sim: { tag, ...ask.sim } }),
      }
      const seen = await way.go(place)
      if (seen instanceof Response) await seen.text().catch(() => '')
      const all = await sidecar.events(told + way.ends.length)
      await settled(sidecar)
      const events = all.slice(told)
      told = all.length
      t.equal(events.length, way.ends.length, 'one event for each exchange')
      const billed = simulator.bill
        .entries()
        .filter((entry) => entry.tag === tag)
        .reduce((sum, { costPicoUsd }) => sum + nanoOf(costPicoUsd), 0n)
      for (const [index, ending] of way.ends.entries()) {
        const event = events[index]
        if (!event) continue
        t.match(event, { outcome: ending.outcome, code: ending.code, clientStatus: ending.clientStatus })
        checkCharge(t, event, ending.charged, billed, typeof seen === 'bigint' ? seen : null)
      }
      const last = events.at(-1)
      if (seen instanceof Response && last) checkAnswer(t, seen, last)
    })
  }
  t.equal(await sidecar.stop(), 0)
  const books = readBooks(sidecar.dataDir)
  t.equal(books.events.length, told, 'nothing was told later')
  t.same(faultsOf(books), [], 'the books balance and all money is back')
}

/** Pico-USD of a bill as the nano-USD that one priced attempt costs. */
export const nanoOf = (pico: string | null): bigint => (BigInt(pico ?? 0) + 999n) / 1_000n

/** What the budgets were charged for an exchange. */
export const chargeOf = (event: UsageEvent): bigint =>
  event.attempts.reduce((sum, { chargedNanoUsd }) => sum + BigInt(chargedNanoUsd), 0n)

/** Nothing is under way any more: no request, no intent, no money held for one, no queued event. */
function settled(sidecar: TestSidecar): Promise<true> {
  return until('nothing under way', async () => {
    const readings = await Promise.all(
      [
        'acc_outbox_open_intents',
        'acc_requests_in_flight',
        'acc_outbox_queued_events',
        'acc_budget_waiting_requests',
        'acc_buffered_request_bytes',
        'acc_buffered_answer_bytes',
        'acc_budget_reserved_usd',
      ].map((name) => sidecar.metric(name)),
    )
    return readings.every((value) => value === 0) ? true : null
  })
}

function checkCharge(t: Test, event: UsageEvent, charged: Charged, billed: bigint, counted: bigint | null): void {
  const charge = chargeOf(event)
  const [attempt] = event.attempts
  const bound = BigInt(attempt?.boundNanoUsd ?? 0)
  if (counted !== null) t.equal(charge, counted, 'charged as counted by hand')
  t.ok(charge >= billed, `charged ${charge}, billed ${billed}`)
  switch (charged) {
    case 'nothing':
      t.equal(charge, 0n)
      t.equal(attempt?.precision ?? 'none', 'none')
      break
    case 'bill':
      t.equal(charge, billed)
      t.ok(billed > 0n, 'the simulator billed it')
      t.equal(attempt?.precision, 'exact')
      break
    case 'bound':
      t.equal(charge, bound)
      t.ok(bound > 0n, 'it was bounded')
      t.equal(attempt?.precision, 'estimated')
      break
    case 'estimate':
      t.ok(charge > 0n && charge <= bound, `charged ${charge}, bound ${bound}`)
      t.equal(attempt?.precision, 'estimated')
      t.ok(attempt?.reason, 'why it is an estimate is said')
  }
}

function checkAnswer(t: Test, response: Response, event: UsageEvent): void {
  t.equal(response.status, event.clientStatus, 'the client was told the status of the event')
  t.equal(response.headers.get('x-acc-request-id'), event.eventId)
  if (event.outcome === 'denied') t.equal(response.headers.get('x-acc-code'), event.code)
}
