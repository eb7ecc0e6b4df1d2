/**
 * The rules of the budget protocol that the model can do without: each is on as shipped, and the search must find a
 * violation with any one of them off.
 */
export interface Rules {
  /** I7: an expired lease keeps its money. */
  readonly expiryFreesNothing: boolean
  /** H6: a return is on disk before it is told. */
  readonly returnsAreDurable: boolean
  /** Returns are told as the sum since the lease began. */
  readonly returnsAreCumulative: boolean
  /** Grants are told as the sum since the lease began. */
  readonly grantsAreCumulative: boolean
  /** H7: a process that died is charged the bound of what was under way. */
  readonly unresolvedIsCharged: boolean
  /** H3: the intent is on disk before the request leaves. */
  readonly intentBeforeSend: boolean
  /** H7: after power loss nothing on the disk is trusted. */
  readonly powerLossIsBroken: boolean
  /** H7: a disk that was lost is another holder. */
  readonly diskLossIsBroken: boolean
  /** What a broken holder says that it returned is not believed. */
  readonly brokenReturnsNothing: boolean
  /** H7: a broken holder charges nothing for what it finds unresolved. */
  readonly brokenChargesNothing: boolean
  /** A holder ignores answers to another generation. */
  readonly generationOnReplies: boolean
  /** The ledger ignores messages of another generation. */
  readonly generationOnSyncs: boolean
  /** A ledger that was restored begins another epoch, and notices a holder that knows of more. */
  readonly epochRises: boolean
  /** A holder ignores answers of another epoch. */
  readonly epochOnReplies: boolean
  /** A welcome counts as the answer to a hello that told of all grants that the holder knows of now. */
  readonly welcomeAnswersTheLast: boolean
  /** A ledger that recovers grants nothing. */
  readonly recoveryFreezes: boolean
  /** Nothing is reserved from a lease that was closed. */
  readonly closedIsClosed: boolean
  /** I6: an event moves the ledger once. */
  readonly eventsCountOnce: boolean
  /** I5: a charge goes to the leases named in its intent. */
  readonly chargesStay: boolean
  /** A recall takes what is free, and not what runs. */
  readonly recallLeavesRunning: boolean
  /** C1: a grant is computed on the locked row. */
  readonly grantsUnderLock: boolean
  /** H2: a request reserves from every counter that it falls under, or from none. */
  readonly allOrNone: boolean
  /** H5: a bill above the bound is booked in full. */
  readonly billsInFull: boolean
  /** H1: what was fetched ahead is not spent before its period begins. */
  readonly aheadIsNotSpent: boolean
  /** A ledger that recovers grants nothing of a period that was granted from before it began. */
  readonly recoveryFreezesAhead: boolean
  /** A ledger that was restored takes over also leases of a period that has ended: they would never be closed. */
  readonly endedIsTakenOver: boolean
}

/** As shipped. */
export const SHIPPED: Rules = {
  expiryFreesNothing: true,
  returnsAreDurable: true,
  returnsAreCumulative: true,
  grantsAreCumulative: true,
  unresolvedIsCharged: true,
  intentBeforeSend: true,
  powerLossIsBroken: true,
  diskLossIsBroken: true,
  brokenReturnsNothing: true,
  brokenChargesNothing: true,
  generationOnReplies: true,
  generationOnSyncs: true,
  epochRises: true,
  epochOnReplies: true,
  welcomeAnswersTheLast: true,
  recoveryFreezes: true,
  closedIsClosed: true,
  eventsCountOnce: true,
  chargesStay: true,
  recallLeavesRunning: true,
  grantsUnderLock: true,
  allOrNone: true,
  billsInFull: true,
  aheadIsNotSpent: true,
  recoveryFreezesAhead: true,
  endedIsTakenOver: true,
}
