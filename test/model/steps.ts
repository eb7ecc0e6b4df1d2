/** Every step that can be taken from a state: what sidecars, the ledger, the network and the world do. */
import * as holder from './holder.ts'
import { answerHello, answerSync, bookEvent, committedOn, openIn, raiseEpoch, withLease } from './ledger.ts'
import type { Rules } from './rules.ts'
import { type Allowance, BOUND, type Instance, type Ledger, type Message, putAt, type State, takenBy } from './state.ts'

/** One step, in words. */
export interface Step {
  readonly label: string
  readonly state: State
}

const nameOf = (at: number): string => String.fromCharCode(65 + at)

const spend = (state: State, fault: keyof Allowance): State => ({
  ...state,
  left: { ...state.left, [fault]: state.left[fault] - 1 },
})

/** All steps from here. */
export function stepsFrom(instance: Instance, rules: Rules, state: State): readonly Step[] {
  const steps: Step[] = []
  const add = (label: string, next: State | null): void => {
    if (next !== null) steps.push({ label, state: tidy(next) })
  }
  for (let at = 0; at < state.sidecars.length; at++) {
    ofSidecar(instance, rules, state, at, add)
    for (const request of state.requests.keys()) ofRequest(rules, state, at, request, add)
  }
  for (const message of state.network) deliver(instance, rules, state, message, add)
  ofLedger(instance, rules, state, add)
  return steps
}

type Add = (label: string, next: State | null) => void
type Question = Exclude<Message, { kind: 'welcome' | 'grant' }>

function ofSidecar(instance: Instance, rules: Rules, state: State, at: number, add: Add): void {
  const sidecar = state.sidecars[at]
  if (!sidecar) return
  const { left } = state
  const who = nameOf(at)
  const next = instance.requests[state.requests.length]
  const counters = next === 'period' ? [state.period] : next
  if (counters) add(`${who} reserves for a request`, holder.reserve(rules, state, at, counters))
  const ahead = next === 'period' && instance.ahead === true ? state.period + 1 : null
  if (ahead !== null && !rules.aheadIsNotSpent)
    add(`${who} reserves for a request of the next period`, holder.reserve(rules, state, at, [ahead]))
  const say = (label: string, message: Message | null): void => {
    if (message !== null) for (const each of put(instance, state, message)) add(`${who} ${label}`, each)
  }
  for (let counter = 0; counter < instance.limits.length; counter++) {
    const of = instance.limits.length > 1 ? ` of counter ${counter}` : ''
    if (counters?.includes(counter) || counter === ahead)
      say(`asks for money${of}`, holder.syncOf(rules, state, sidecar, counter, 'ask'))
    say(`tells its returns${of}`, holder.syncOf(rules, state, sidecar, counter, 'tell'))
    say(`tells that it closes its lease${of}`, holder.syncOf(rules, state, sidecar, counter, 'close'))
    if (left.returns > 0)
      add(`${who} returns what is free${of}`, holder.giveBack(rules, spend(state, 'returns'), at, counter))
    if (left.close > 0) add(`${who} closes its lease${of}`, holder.close(spend(state, 'close'), at, counter))
  }
  const { crash = 0, restore = 0 } = instance.allowed
  if (sidecar.broken || crash + restore > 0) say('says hello', holder.helloOf(sidecar))
  if (sidecar.disk !== sidecar.memory)
    add(`${who} writes to its disk`, holder.withSidecar(state, at, { ...sidecar, disk: sidecar.memory }))
  if (sidecar.synced !== sidecar.disk)
    add(`${who} synchronises its disk`, holder.withSidecar(state, at, { ...sidecar, synced: sidecar.disk }))
  if (left.crash > 0)
    add(
      `${who} is killed and starts again`,
      holder.crash(rules, spend(state, 'crash'), at, (each) => each.disk),
    )
  if (left.power > 0) add(`${who} loses power`, holder.losePower(rules, spend(state, 'power'), at))
  if (left.disk > 0) add(`${who} loses its disk`, holder.loseDisk(rules, spend(state, 'disk'), at))
}

function ofRequest(rules: Rules, state: State, at: number, index: number, add: Add): void {
  const [sidecar, request] = [state.sidecars[at], state.requests[index]]
  if (!sidecar || !request) return
  const who = nameOf(at)
  if (request.phase === 'ready' && sidecar.memory.intents.includes(index))
    add(`${who} sends request ${index}`, {
      ...state,
      requests: putAt(state.requests, index, { ...request, phase: 'sent' }),
    })
  for (const cost of [0, BOUND])
    add(`request ${index} ends and cost ${cost}`, holder.settle(rules, state, at, index, cost))
  if (state.left.overrun > 0)
    add(
      `request ${index} ends and cost ${BOUND + 1}, above its bound`,
      holder.settle(rules, spend(state, 'overrun'), at, index, BOUND + 1),
    )
  const event = sidecar.disk.events.find(([each]) => each === index)
  if (!event || request.instance !== sidecar.instance) return
  const ledger = bookEvent(rules, state.ledger, request, index, event[1])
  if (ledger !== state.ledger) add(`the event of request ${index} is booked with ${event[1]}`, { ...state, ledger })
}

function deliver(instance: Instance, rules: Rules, state: State, message: Message, add: Add): void {
  if (message.kind === 'welcome' || message.kind === 'grant') {
    const at = message.instance % instance.sidecars
    const what =
      message.kind === 'welcome'
        ? `the welcome as generation ${message.generation} in epoch ${message.epoch}`
        : `the answer that ${message.granted} in all are granted (generation ${message.generation}, epoch ${message.epoch})`
    add(`${nameOf(at)} hears ${what}`, holder.hear(rules, state, at, message))
    return
  }
  take(instance, rules, state, message, state.ledger, state.read, add)
  if (state.read !== null) take(instance, rules, state, message, state.read, null, add)
}

/** The period in force; `null` where requests do not go by it. */
const periodOf = ({ requests }: Instance, { period }: State): number | null =>
  requests.includes('period') ? period : null

/** The ledger takes a message in. @param seen as a grant sees the other leases @param read what stays read */
function take(
  instance: Instance,
  rules: Rules,
  state: State,
  message: Question,
  seen: Ledger,
  read: Ledger | null,
  add: Add,
): void {
  const period = periodOf(instance, state)
  const { ledger, answer } =
    message.kind === 'hello'
      ? answerHello(instance, rules, state.ledger, period, message)
      : answerSync(instance, rules, state.ledger, seen, period, message)
  const who = nameOf(message.instance % instance.sidecars)
  const what =
    message.kind === 'hello'
      ? `a hello of ${who}`
      : `a message of ${who} (G ${message.granted}, R ${message.returned}, generation ${message.generation}, epoch ${message.epoch})`
  const label = `the ledger takes in ${what}${seen === state.ledger ? '' : ', by what was read'}`
  const after = { ...state, ledger, read }
  if (answer !== null) for (const each of put(instance, after, answer)) add(label, each)
  else if (ledger !== state.ledger) add(label, after)
}

function ofLedger(instance: Instance, rules: Rules, state: State, add: Add): void {
  const { ledger, left, backup } = state
  if (!rules.grantsUnderLock && state.read === null)
    add('a replica reads the ledger without a lock', { ...state, read: ledger })
  for (const lease of ledger.leases) {
    const whose = `the lease of ${nameOf(lease.instance % instance.sidecars)}, generation ${lease.generation}`
    if (left.expire > 0 && !lease.expired && lease.state === 'active')
      add(`${whose}, expires`, {
        ...spend(state, 'expire'),
        ledger: withLease(ledger, { ...lease, expired: true }),
      })
    const runs = state.requests.some(
      ({ instance: of, generation, counters, phase }) =>
        of === lease.instance &&
        generation === lease.generation &&
        counters.includes(lease.counter) &&
        (phase === 'ready' || phase === 'sent'),
    )
    const open = openIn(lease)
    if (left.release > 0 && lease.expired && open > 0 && !runs)
      add(`an operator releases ${open} of ${whose}`, {
        ...spend(state, 'release'),
        ledger: withLease(ledger, { ...lease, released: lease.released + open, state: 'fenced' }),
      })
  }
  if (left.restore > 0 && backup === null) add('the ledger is copied', { ...state, backup: ledger })
  if (left.restore > 0 && backup !== null)
    add('the ledger is restored from the copy', {
      ...spend(state, 'restore'),
      ledger: rules.epochRises ? raiseEpoch(instance, rules, backup, periodOf(instance, state)) : backup,
      backup: null,
    })
  if (ledger.recovering) add('an operator ends the recovery', endRecovery(instance, state))
  if (left.roll > 0) add('the next period begins', { ...spend(state, 'roll'), period: state.period + 1 })
}

/** Once all that live have said hello: what the leases that are not theirs may have cost beyond what is known is stated. */
function endRecovery({ limits }: Instance, state: State): State | null {
  const { ledger, sidecars } = state
  if (sidecars.some(({ broken, memory }) => !broken && memory.epoch !== ledger.epoch)) return null
  const stated = limits.map((_, counter) => {
    const owners = new Map<string, number>()
    for (const request of state.requests) {
      if (!request.counters.includes(counter)) continue
      const owner = `${request.instance}/${request.generation}`
      owners.set(owner, (owners.get(owner) ?? 0) + takenBy(request))
    }
    return [...owners].reduce((sum, [owner, taken]) => {
      const lease = ledger.leases.find(
        (each) => `${each.instance}/${each.generation}` === owner && each.counter === counter,
      )
      return sum + Math.max(0, taken - (lease ? committedOn([lease]) : 0))
    }, 0)
  })
  return { ...state, ledger: { ...ledger, recovering: false, stated } }
}

/** The network takes a message: of those that it has no room for any is lost. */
function put({ inFlight, sidecars }: Instance, state: State, message: Message): readonly State[] {
  const text = textOf(message)
  if (state.network.some((each) => textOf(each) === text)) return [state]
  const isAnswer = ({ kind }: Message): boolean => kind === 'welcome' || kind === 'grant'
  const isAlike = (each: Message): boolean =>
    each.instance % sidecars === message.instance % sidecars && isAnswer(each) === isAnswer(message)
  const alike = state.network.filter(isAlike)
  const sorted = (network: readonly Message[]): State => ({
    ...state,
    network: [...network, message].sort((one, other) => (textOf(one) < textOf(other) ? -1 : 1)),
  })
  if (alike.length < inFlight) return [sorted(state.network)]
  return alike.map((lost) => sorted(state.network.filter((each) => each !== lost)))
}

const texts = new WeakMap<Message, string>()

function textOf(message: Message): string {
  const text = texts.get(message) ?? JSON.stringify(message)
  texts.set(message, text)
  return text
}

/** What can make no difference any more is the same. */
function tidy(state: State): State {
  const { crash, power } = state.left
  if (crash + power > 0 && power > 0) return state
  const sidecars = state.sidecars.map((sidecar) => {
    const disk = crash === 0 ? sidecar.memory : sidecar.disk
    return sidecar.disk === disk && sidecar.synced === disk ? sidecar : { ...sidecar, disk, synced: disk }
  })
  return { ...state, sidecars }
}
