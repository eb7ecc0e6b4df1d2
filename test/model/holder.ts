/** What a sidecar of the model does by itself, and what it makes of answers. */
import type { Rules } from './rules.ts'
import {
  BOUND,
  balanceOf,
  emptyLayer,
  type Held,
  type Layer,
  type Message,
  putAt,
  type Request,
  type Sidecar,
  type State,
  unchargedOf,
} from './state.ts'

/** A lease that does not exist yet. */
const NOTHING: Held = { granted: 0, returned: 0, charged: 0, closed: false }

const heldIn = (layer: Layer, counter: number): Held => layer.leases[counter] ?? NOTHING

const withHeld = (layer: Layer, counter: number, fields: Partial<Held>): Layer => ({
  ...layer,
  leases: putAt(layer.leases, counter, { ...heldIn(layer, counter), ...fields }),
})

/** The state with another sidecar at this place, and with other requests. */
export const withSidecar = (state: State, at: number, sidecar: Sidecar, requests = state.requests): State => ({
  ...state,
  sidecars: putAt(state.sidecars, at, sidecar),
  requests,
})

/** Whether the request is one of the process that runs now. */
const isOwn = ({ instance, memory }: Sidecar, request: Request): boolean =>
  request.instance === instance && request.generation === memory.generation

/** Those of a process that ends: what was not sent cost nothing, and of the others nobody will know. */
const orphaned = (state: State, sidecar: Sidecar): readonly Request[] =>
  state.requests.map((request) => {
    if (!isOwn(sidecar, request)) return request
    if (request.phase === 'ready') return { ...request, phase: 'ended' as const }
    return request.phase === 'sent' ? { ...request, phase: 'gone' as const } : request
  })

/** Reserves the bound from every counter of the request, and commits the intent (H2, H3). */
export function reserve(rules: Rules, state: State, at: number, counters: readonly number[]): State | null {
  const sidecar = state.sidecars[at]
  if (!sidecar || sidecar.broken) return null
  const { memory, instance } = sidecar
  const isUsable = (counter: number): boolean =>
    balanceOf(memory, counter, state.requests) >= BOUND &&
    !(rules.closedIsClosed && heldIn(memory, counter).closed) &&
    !state.ledger.leases.some(
      (lease) =>
        lease.expired &&
        lease.instance === instance &&
        lease.generation === memory.generation &&
        lease.counter === counter,
    )
  if (!(rules.allOrNone ? counters : counters.slice(0, 1)).every(isUsable)) return null
  const request = state.requests.length
  const reserved = { ...memory, intents: [...memory.intents, request] }
  const disk = rules.intentBeforeSend ? reserved : sidecar.disk
  return withSidecar(state, at, { ...sidecar, memory: reserved, disk }, [
    ...state.requests,
    { instance, generation: memory.generation, counters, phase: 'ready', cost: 0 },
  ])
}

/** An attempt ended and cost this much (H5). */
export function settle(rules: Rules, state: State, at: number, index: number, cost: number): State | null {
  const [sidecar, request] = [state.sidecars[at], state.requests[index]]
  if (!sidecar || request?.phase !== 'sent' || !sidecar.memory.intents.includes(index)) return null
  const charged = rules.billsInFull ? cost : Math.min(cost, BOUND)
  const counters = rules.chargesStay ? request.counters : [state.period]
  const ended: Request = { ...request, counters, phase: 'ended', cost }
  const memory = charge(sidecar.memory, index, counters, charged)
  return withSidecar(state, at, { ...sidecar, memory }, putAt(state.requests, index, ended))
}

function charge(layer: Layer, request: number, counters: readonly number[], charged: number): Layer {
  const ended: Layer = {
    ...layer,
    intents: layer.intents.filter((each) => each !== request),
    events: [...layer.events, [request, charged] as const].sort(([one], [other]) => one - other),
  }
  return counters.reduce(
    (each, counter) => withHeld(each, counter, { charged: heldIn(each, counter).charged + charged }),
    ended,
  )
}

/** Returns what is free of a lease: it is idle, or recalled (H6). */
export function giveBack(rules: Rules, state: State, at: number, counter: number): State | null {
  const sidecar = state.sidecars[at]
  if (!sidecar || sidecar.broken || heldIn(sidecar.memory, counter).closed) return null
  const { memory } = sidecar
  const running = rules.recallLeavesRunning ? 0 : unchargedOf(memory, counter, state.requests)
  const free = balanceOf(memory, counter, state.requests) + running
  if (free <= 0) return null
  const returned = heldIn(memory, counter).returned + free
  return withSidecar(state, at, { ...sidecar, memory: withHeld(memory, counter, { returned }) })
}

/** Closes a lease on which nothing runs: all of it goes back. */
export function close(state: State, at: number, counter: number): State | null {
  const sidecar = state.sidecars[at]
  if (!sidecar || sidecar.broken || unchargedOf(sidecar.memory, counter, state.requests) > 0) return null
  const { granted, charged, closed } = heldIn(sidecar.memory, counter)
  if (closed || granted === 0) return null
  const memory = withHeld(sidecar.memory, counter, { closed: true, returned: Math.max(0, granted - charged) })
  return withSidecar(state, at, { ...sidecar, memory })
}

/** The process dies and starts again on its disk (H7, `same`). */
export function crash(rules: Rules, state: State, at: number, found: (sidecar: Sidecar) => Layer): State | null {
  const sidecar = state.sidecars[at]
  if (!sidecar || sidecar.broken) return null
  const left = found(sidecar)
  let layer = left
  for (const request of left.intents) {
    const counters = state.requests[request]?.counters ?? []
    layer = rules.unresolvedIsCharged ? charge(layer, request, counters, BOUND) : charge(layer, request, [], 0)
  }
  return withSidecar(state, at, { ...sidecar, memory: layer, disk: layer }, orphaned(state, sidecar))
}

/** The power fails: the disk goes back to what was synchronised, and is not trusted (H7, `broken`). */
export function losePower(rules: Rules, state: State, at: number): State | null {
  const sidecar = state.sidecars[at]
  if (!sidecar || sidecar.broken) return null
  const { synced } = sidecar
  if (!rules.powerLossIsBroken) return crash(rules, state, at, () => synced)
  const charged = rules.brokenChargesNothing ? 0 : BOUND
  const events = [...synced.events, ...synced.intents.map((request) => [request, charged] as const)]
  const leases = synced.leases.map((held, counter) => ({
    ...held,
    returned: held.returned + (rules.brokenReturnsNothing ? 0 : balanceOf(synced, counter, state.requests)),
  }))
  const layer = { ...synced, leases, intents: [], events: events.sort(([one], [other]) => one - other) }
  const broken = { ...sidecar, broken: true, memory: layer, disk: layer, synced: layer }
  return withSidecar(state, at, broken, orphaned(state, sidecar))
}

/** The disk is lost: another holder begins. */
export function loseDisk(rules: Rules, state: State, at: number): State | null {
  const sidecar = state.sidecars[at]
  if (!sidecar || sidecar.broken) return null
  const { memory, instance } = sidecar
  const fresh = emptyLayer(memory.leases.length, 0, 0)
  const kept = memory.leases.map((held) => ({ ...held, charged: 0 }))
  const layer = rules.diskLossIsBroken
    ? fresh
    : { ...fresh, generation: memory.generation, epoch: memory.epoch, leases: kept }
  const next = rules.diskLossIsBroken ? instance + state.sidecars.length : instance
  const after = {
    instance: next,
    broken: rules.diskLossIsBroken,
    memory: layer,
    disk: layer,
    synced: layer,
  }
  return withSidecar(state, at, after, orphaned(state, sidecar))
}

/** Takes an answer of the ledger in. @returns null where nothing changes */
export function hear(rules: Rules, state: State, at: number, message: Message): State | null {
  const sidecar = state.sidecars[at]
  if (!sidecar || message.instance !== sidecar.instance) return null
  if (message.kind === 'welcome') return welcomed(rules, state, at, sidecar, message)
  return message.kind === 'grant' ? granted(rules, state, at, sidecar, message) : null
}

function welcomed(
  rules: Rules,
  state: State,
  at: number,
  sidecar: Sidecar,
  message: Extract<Message, { kind: 'welcome' }>,
): State | null {
  const { memory, broken } = sidecar
  const { generation, epoch } = message
  if (generation > memory.generation) {
    const fresh = emptyLayer(memory.leases.length, generation, epoch)
    const leases = fresh.leases.map((held, counter) => ({ ...held, granted: message.granted[counter] ?? 0 }))
    const layer = { ...fresh, leases, events: memory.events }
    const after = { ...sidecar, broken: false, memory: layer, disk: layer, synced: layer }
    return withSidecar(state, at, after, orphaned(state, sidecar))
  }
  if (broken || generation < memory.generation || epoch < memory.epoch) return null
  const isAnswer = memory.leases.every((held, counter) => held.granted === message.said[counter])
  if (rules.welcomeAnswersTheLast && !isAnswer) return null
  const leases = memory.leases.map((held, counter) => ({
    ...held,
    granted: Math.max(held.granted, message.granted[counter] ?? 0),
  }))
  if (epoch === memory.epoch && leases.every(({ granted: sum }, counter) => sum === heldIn(memory, counter).granted))
    return null
  const layer = { ...memory, epoch, leases }
  return withSidecar(state, at, { ...sidecar, memory: layer, disk: layer })
}

function granted(
  rules: Rules,
  state: State,
  at: number,
  sidecar: Sidecar,
  message: Extract<Message, { kind: 'grant' }>,
): State | null {
  const { memory, broken } = sidecar
  if (broken || (rules.generationOnReplies && message.generation !== memory.generation)) return null
  if (rules.epochOnReplies && message.epoch !== memory.epoch) return null
  const held = heldIn(memory, message.counter)
  if (held.closed && rules.closedIsClosed) return null
  const sum = rules.grantsAreCumulative ? Math.max(held.granted, message.granted) : held.granted + message.added
  if (sum === held.granted) return null
  return withSidecar(state, at, { ...sidecar, memory: withHeld(memory, message.counter, { granted: sum }) })
}

/** What a sidecar says of one counter (H6: of returns only what is on disk). */
export function syncOf(
  rules: Rules,
  state: State,
  sidecar: Sidecar,
  counter: number,
  kind: 'ask' | 'tell' | 'close',
): Message | null {
  const { instance, broken, memory } = sidecar
  const known = heldIn(rules.returnsAreDurable ? sidecar.disk : memory, counter)
  if (broken || known.closed !== (kind === 'close')) return null
  const balance = balanceOf(memory, counter, state.requests)
  if (kind === 'ask' && (balance >= BOUND || heldIn(memory, counter).closed)) return null
  if (kind === 'tell' && known.returned === 0) return null
  return {
    kind: 'sync',
    instance,
    generation: memory.generation,
    epoch: memory.epoch,
    counter,
    granted: heldIn(memory, counter).granted,
    returned: known.returned,
    charged: known.charged,
    uncharged: unchargedOf(memory, counter, state.requests),
    need: kind === 'ask' ? BOUND - Math.min(0, balance) : 0,
    close: kind === 'close',
  }
}

/** What a sidecar says when it starts, and whenever it may be of another epoch or generation: of what is on disk. */
export const helloOf = ({ instance, broken, disk }: Sidecar): Message => ({
  kind: 'hello',
  instance,
  broken,
  generation: disk.generation,
  epoch: disk.epoch,
  leases: disk.leases,
})
