/** The invariants of the budget protocol, on one state of the model. */
import { committedOn, overrunOn } from './ledger.ts'
import { balanceOf, type Instance, type Lease, type State, takenBy } from './state.ts'

/** Their names in docs/budget-protocol.md. */
export type Invariant = 'H1' | 'I1' | 'I2' | 'I3' | 'I4' | 'I6' | 'I7' | 'I8'

/** What is wrong, in words. */
export interface Broken {
  readonly invariant: Invariant
  readonly detail: string
}

const sum = (amounts: readonly number[]): number => amounts.reduce((total, each) => total + each, 0)

/** What does not hold in a state that was come to from another one. */
export function brokenIn(instance: Instance, state: State, before: State | null): readonly Broken[] {
  const broken: Broken[] = []
  const expect = (invariant: Invariant, holds: boolean, detail: () => string): void => {
    if (!holds) broken.push({ invariant, detail: detail() })
  }
  for (const [counter, limit] of instance.limits.entries()) {
    ofCounter(instance, state, counter, limit, expect)
    if (before && before.left.restore === state.left.restore) ofChange(before, state, counter, expect)
  }
  ofHolders(instance, state, expect)
  if (instance.requests.includes('period'))
    for (const [index, { counters }] of state.requests.entries())
      expect(
        'H1',
        counters.every((counter) => counter <= state.period),
        () => `request ${index} is reserved from a period that has not begun`,
      )
  return broken
}

type Expect = (invariant: Invariant, holds: boolean, detail: () => string) => void

const leasesOn = ({ ledger }: State, counter: number): readonly Lease[] =>
  ledger.leases.filter((lease) => lease.counter === counter)

function ofCounter({ allowed }: Instance, state: State, counter: number, limit: number, expect: Expect): void {
  const leases = leasesOn(state, counter)
  const requests = state.requests.filter(({ counters }) => counters.includes(counter))
  const taken = sum(requests.map(takenBy))
  const overrun = overrunOn(leases)
  const released = sum(leases.map((lease) => lease.released))
  const untold = sum(state.sidecars.map(({ memory }) => Math.max(0, -balanceOf(memory, counter, state.requests))))
  const excess = overrun + released + (allowed.overrun ? untold : 0)
  expect(
    'I8',
    taken <= limit + excess,
    () => `${taken} are billed or may still be, of a limit of ${limit} and an excess of ${excess}`,
  )
  const mayOverrun = (allowed.overrun ?? 0) + (allowed.release ?? 0) + (allowed.restore ?? 0) > 0
  expect('I8', mayOverrun || overrun === 0, () => `a strict budget has an overrun of ${overrun}`)
  const committed = committedOn(leases)
  // A ledger that was restored takes over what it is told of: more than the limit, until all have said what they returned.
  const wasRestored = state.left.restore < (allowed.restore ?? 0)
  expect(
    'I1',
    wasRestored || committed <= limit + overrun,
    () => `${committed} are settled and set aside of a limit of ${limit}, and ${overrun} of it is overrun`,
  )
  const settled = sum(leases.map((lease) => lease.settled))
  const booked = sum(
    state.ledger.booked.map(([request, charged]) =>
      state.requests[request]?.counters.includes(counter) ? charged : 0,
    ),
  )
  expect('I6', settled === booked, () => `${settled} are settled, and the events say ${booked}`)
}

/** I7: only what was returned or released makes money available. */
function ofChange(before: State, after: State, counter: number, expect: Expect): void {
  const [former, latter] = [leasesOn(before, counter), leasesOn(after, counter)]
  const freed = committedOn(former) - committedOn(latter)
  const backOf = (leases: readonly Lease[]): number => sum(leases.map((lease) => lease.returned + lease.released))
  const back = backOf(latter) - backOf(former)
  expect('I7', freed <= back, () => `${freed} came free, and ${back} were returned or released`)
}

function ofHolders({ limits, allowed }: Instance, state: State, expect: Expect): void {
  for (const { instance, broken, memory, disk } of state.sidecars) {
    if (broken) continue
    for (const counter of limits.keys()) {
      const balance = balanceOf(memory, counter, state.requests)
      expect('I2', balance >= 0 || (allowed.overrun ?? 0) > 0, () => `a lease is overdrawn by ${-balance}`)
      const lease = leasesOn(state, counter).find(
        (each) => each.instance === instance && each.generation === memory.generation && each.state === 'active',
      )
      const held = memory.leases[counter]
      if (!lease || !held || held.closed || memory.epoch !== state.ledger.epoch) continue
      const { granted, returned, settled } = lease
      expect(
        'I3',
        returned <= held.returned && settled <= held.charged && held.granted <= granted,
        () =>
          `the ledger has G ${granted}, R ${returned}, S ${settled}; the holder G ${held.granted}, R ${held.returned}, C ${held.charged}`,
      )
    }
    for (const [index, { phase, instance: of, generation }] of state.requests.entries())
      if (phase === 'sent' && of === instance && generation === memory.generation)
        expect(
          'I4',
          disk.intents.includes(index) || !memory.intents.includes(index),
          () => `request ${index} was sent without an intent on disk`,
        )
  }
}
