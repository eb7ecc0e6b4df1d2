/** The small instances that are searched, and the rules that are taken out in them. */
import type { Invariant } from './invariants.ts'
import type { Rules } from './rules.ts'
import type { Instance } from './state.ts'

const ONE = [0] as const
/** Two sidecars that share one unit: whoever overspends does so with the second request. */
const shared = { sidecars: 2, limits: [1], requests: [ONE, ONE], inFlight: 1 } as const

/** What is searched, each with its own faults. */
export const INSTANCES = {
  replicas: { ...shared, name: 'two replicas grant to two sidecars', allowed: {} },
  messages: {
    ...shared,
    name: 'two sidecars, returns, the last two messages of each repeated and reordered',
    limits: [2],
    requests: [ONE, ONE, ONE],
    inFlight: 2,
    allowed: { returns: 1 },
  },
  expiry: {
    ...shared,
    name: 'leases expire and are released by an operator',
    allowed: { expire: 1, release: 1, returns: 1 },
  },
  crash: { ...shared, name: 'processes are killed', allowed: { crash: 2, returns: 1 } },
  power: { ...shared, name: 'power fails', allowed: { power: 1, returns: 1 } },
  powerAlone: {
    name: 'power fails at a sidecar that is alone',
    sidecars: 1,
    limits: [1],
    requests: [ONE],
    inFlight: 1,
    allowed: { power: 1, returns: 1 },
  },
  late: {
    name: 'power fails, and messages of before come late',
    sidecars: 1,
    limits: [2],
    requests: [ONE],
    inFlight: 2,
    allowed: { power: 1, returns: 1 },
  },
  disk: { ...shared, name: 'a disk is lost', allowed: { disk: 1, returns: 1 } },
  restore: { ...shared, name: 'the ledger is restored from a copy', allowed: { restore: 1 } },
  restoreLate: {
    ...shared,
    name: 'the ledger is restored, and messages of before come late',
    inFlight: 2,
    allowed: { restore: 1 },
  },
  restoreReturns: {
    ...shared,
    name: 'the ledger is restored from a copy, leases are closed',
    allowed: { restore: 1, returns: 1, close: 1 },
  },
  close: { ...shared, name: 'leases are closed', inFlight: 2, allowed: { close: 1, returns: 1 } },
  periods: {
    name: 'the next period begins while requests run',
    sidecars: 1,
    limits: [1, 1],
    requests: ['period', 'period', 'period'],
    inFlight: 1,
    allowed: { roll: 1, crash: 1, returns: 1, close: 1 },
  },
  ahead: {
    name: 'leases are fetched before their period begins',
    sidecars: 2,
    limits: [1, 1],
    requests: ['period', 'period'],
    inFlight: 1,
    ahead: true,
    allowed: { roll: 1, crash: 1, returns: 1 },
  },
  aheadRestore: {
    name: 'leases are fetched before their period begins, and the ledger is restored from a copy',
    sidecars: 2,
    limits: [1],
    requests: ['period', 'period'],
    inFlight: 1,
    ahead: true,
    begins: -1,
    allowed: { roll: 1, restore: 1 },
  },
  endedRestore: {
    name: 'the ledger is restored from a copy after a period has ended',
    sidecars: 1,
    limits: [2, 1],
    requests: ['period', 'period', 'period'],
    inFlight: 1,
    allowed: { roll: 1, restore: 1 },
  },
  overlap: {
    name: 'two overlapping budgets',
    sidecars: 1,
    limits: [2, 1],
    requests: [[0, 1], ONE, [0, 1]],
    inFlight: 1,
    allowed: { crash: 1, returns: 1 },
  },
  overrun: {
    name: 'a bill above its bound',
    sidecars: 2,
    limits: [2],
    requests: [ONE, ONE, ONE],
    inFlight: 1,
    allowed: { overrun: 1 },
  },
} as const satisfies Record<string, Instance>

/** A rule that is taken out, where its lack is found, and the invariant that breaks. */
export interface Mutant {
  readonly rule: keyof Rules
  readonly instance: keyof typeof INSTANCES
  readonly breaks: Invariant
}

/** One for each rule. */
export const MUTANTS: readonly Mutant[] = [
  { rule: 'expiryFreesNothing', instance: 'expiry', breaks: 'I8' },
  { rule: 'returnsAreDurable', instance: 'crash', breaks: 'I8' },
  { rule: 'returnsAreCumulative', instance: 'messages', breaks: 'I8' },
  { rule: 'grantsAreCumulative', instance: 'messages', breaks: 'I8' },
  { rule: 'unresolvedIsCharged', instance: 'crash', breaks: 'I8' },
  { rule: 'intentBeforeSend', instance: 'crash', breaks: 'I8' },
  { rule: 'powerLossIsBroken', instance: 'power', breaks: 'I8' },
  { rule: 'diskLossIsBroken', instance: 'disk', breaks: 'I8' },
  { rule: 'brokenReturnsNothing', instance: 'powerAlone', breaks: 'I8' },
  { rule: 'brokenChargesNothing', instance: 'powerAlone', breaks: 'I8' },
  { rule: 'generationOnReplies', instance: 'late', breaks: 'I8' },
  { rule: 'generationOnSyncs', instance: 'late', breaks: 'I3' },
  { rule: 'epochRises', instance: 'restore', breaks: 'I8' },
  { rule: 'epochOnReplies', instance: 'restoreLate', breaks: 'I3' },
  { rule: 'welcomeAnswersTheLast', instance: 'restore', breaks: 'I3' },
  { rule: 'recoveryFreezes', instance: 'restore', breaks: 'I8' },
  { rule: 'closedIsClosed', instance: 'close', breaks: 'I8' },
  { rule: 'eventsCountOnce', instance: 'messages', breaks: 'I6' },
  { rule: 'chargesStay', instance: 'periods', breaks: 'I2' },
  { rule: 'recallLeavesRunning', instance: 'messages', breaks: 'I8' },
  { rule: 'grantsUnderLock', instance: 'replicas', breaks: 'I8' },
  { rule: 'allOrNone', instance: 'overlap', breaks: 'I8' },
  { rule: 'billsInFull', instance: 'overrun', breaks: 'I8' },
  { rule: 'aheadIsNotSpent', instance: 'ahead', breaks: 'H1' },
  { rule: 'recoveryFreezesAhead', instance: 'aheadRestore', breaks: 'I8' },
  { rule: 'endedIsTakenOver', instance: 'endedRestore', breaks: 'I3' },
]
