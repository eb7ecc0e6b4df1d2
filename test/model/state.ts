/** What the model knows at one moment. Values only, so that equal states are equal texts. Amounts are units of money. */

/** Each request is bounded by this much. */
export const BOUND = 1

/** A lease as its holder has it. */
export interface Held {
  readonly granted: number
  readonly returned: number
  readonly charged: number
  readonly closed: boolean
}

/** What a holder knows, in memory or on a disk. */
export interface Layer {
  readonly generation: number
  readonly epoch: number
  /** By counter. */
  readonly leases: readonly Held[]
  /** Requests whose intents have not ended. */
  readonly intents: readonly number[]
  /** Requests that have ended, and what they were charged. */
  readonly events: readonly (readonly [request: number, charged: number])[]
}

/** A sidecar. */
export interface Sidecar {
  /** Made with its disk. */
  readonly instance: number
  /** Its state cannot be trusted: it spends nothing until it is given another generation. */
  readonly broken: boolean
  readonly memory: Layer
  /** What is left of it when the process dies. */
  readonly disk: Layer
  /** What is left of it when the power fails. */
  readonly synced: Layer
}

/** A lease as the ledger has it. */
export interface Lease {
  readonly instance: number
  readonly generation: number
  readonly counter: number
  readonly granted: number
  readonly returned: number
  readonly settled: number
  readonly released: number
  readonly state: 'active' | 'closed' | 'fenced'
  /** What the clock says: its holder believes the same. */
  readonly expired: boolean
}

/** The ledger. */
export interface Ledger {
  readonly epoch: number
  readonly recovering: boolean
  /** The last counter that it grants nothing of while it recovers: those behind it could not have been granted from before. */
  readonly frozenThrough: number
  /** The generation of each holder that is known, by instance. */
  readonly generations: readonly (readonly [instance: number, generation: number])[]
  readonly leases: readonly Lease[]
  /** What each request was booked with; absent: not yet. */
  readonly booked: readonly (readonly [request: number, charged: number])[]
  /** What an operator said that absent holders spent, by counter. */
  readonly stated: readonly number[]
}

/** A request as the provider knows it. */
export interface Request {
  readonly instance: number
  readonly generation: number
  readonly counters: readonly number[]
  /** `gone`: the process that had sent it died, so that nobody will know its cost. */
  readonly phase: 'ready' | 'sent' | 'ended' | 'gone'
  readonly cost: number
}

/** A message. The network loses, repeats and reorders them. */
export type Message =
  | ({ readonly kind: 'hello'; readonly broken: boolean; readonly instance: number } & Pick<
      Layer,
      'generation' | 'epoch' | 'leases'
    >)
  | ({ readonly kind: 'welcome'; readonly broken: boolean; readonly instance: number } & {
      readonly generation: number
      readonly epoch: number
      /** Granted, by counter. */
      readonly granted: readonly number[]
      /** What the hello said was granted, by counter: which one it answers. */
      readonly said: readonly number[]
    })
  | {
      readonly kind: 'sync'
      readonly instance: number
      readonly generation: number
      readonly epoch: number
      readonly counter: number
      readonly granted: number
      readonly returned: number
      readonly charged: number
      readonly uncharged: number
      readonly need: number
      readonly close: boolean
    }
  | {
      readonly kind: 'grant'
      readonly instance: number
      readonly generation: number
      readonly epoch: number
      readonly counter: number
      /** The sum so far, and what this answer added to it. */
      readonly granted: number
      readonly added: number
    }

/** What may still go wrong, how often. */
export interface Allowance {
  readonly crash: number
  readonly power: number
  readonly disk: number
  readonly restore: number
  readonly expire: number
  readonly release: number
  readonly overrun: number
  readonly roll: number
  readonly returns: number
  readonly close: number
}

/** All of it. */
export interface State {
  readonly sidecars: readonly Sidecar[]
  readonly ledger: Ledger
  /** A copy of the ledger that it may be restored from. */
  readonly backup: Ledger | null
  /** What a replica has read of the ledger outside of a lock. */
  readonly read: Ledger | null
  readonly requests: readonly Request[]
  readonly network: readonly Message[]
  /** The period in force. */
  readonly period: number
  readonly left: Allowance
}

/** A small instance of the protocol. */
export interface Instance {
  readonly name: string
  readonly sidecars: number
  /** Limits, by counter. */
  readonly limits: readonly number[]
  /** Leases of the next period are asked for before it begins. */
  readonly ahead?: boolean
  /** The period that is in force at first, where that is not the first one: one without a counter. */
  readonly begins?: number
  /** The counters of the requests, in the order in which they come, or `period`: the one of the period in force. */
  readonly requests: readonly (readonly number[] | 'period')[]
  readonly allowed: Partial<Allowance>
  /** The latest messages of each sidecar, and to it, that the network still has. */
  readonly inFlight: number
}

const NOTHING: Held = { granted: 0, returned: 0, charged: 0, closed: false }

/** A holder that knows of nothing. */
export const emptyLayer = (counters: number, generation: number, epoch: number): Layer => ({
  generation,
  epoch,
  leases: Array.from({ length: counters }, () => NOTHING),
  intents: [],
  events: [],
})

/** Where it begins: every sidecar has said hello once, and holds nothing. */
export function initialState({ sidecars, limits, allowed, begins = 0 }: Instance): State {
  const layer = emptyLayer(limits.length, 1, 1)
  const none: Allowance = {
    crash: 0,
    power: 0,
    disk: 0,
    restore: 0,
    expire: 0,
    release: 0,
    overrun: 0,
    roll: 0,
    returns: 0,
    close: 0,
  }
  return {
    sidecars: Array.from({ length: sidecars }, (_, instance) => ({
      instance,
      broken: false,
      memory: layer,
      disk: layer,
      synced: layer,
    })),
    ledger: {
      epoch: 1,
      recovering: false,
      frozenThrough: -1,
      generations: Array.from({ length: sidecars }, (_, instance) => [instance, 1] as const),
      leases: [],
      booked: [],
      stated: limits.map(() => 0),
    },
    backup: null,
    read: null,
    requests: [],
    network: [],
    period: begins,
    left: { ...none, ...allowed },
  }
}

/** The array with another element at one place. */
export const putAt = <T>(array: readonly T[], at: number, value: T): readonly T[] =>
  array.map((each, index) => (index === at ? value : each))

/** B = G − R − C − Q of one counter. */
export function balanceOf(layer: Layer, counter: number, requests: readonly Request[]): number {
  const { granted, returned, charged } = layer.leases[counter] ?? NOTHING
  return granted - returned - charged - unchargedOf(layer, counter, requests)
}

/** Q of one counter. */
export const unchargedOf = (layer: Layer, counter: number, requests: readonly Request[]): number =>
  layer.intents.filter((request) => requests[request]?.counters.includes(counter)).length * BOUND

/** What a request may have cost, as nobody but the provider knows. */
export const takenBy = ({ phase, cost }: Request): number => {
  if (phase === 'ready') return 0
  return phase === 'ended' ? cost : BOUND
}
