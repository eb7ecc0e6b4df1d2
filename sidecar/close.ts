/** Stages 9 to 11: meter, settle, emit; and the refusal, if there is one, to the client. */
import { type Code, type NanoUsd, type Outcome, type UsageEvent, ZERO_USD } from '@agentcostcontrol/contract'
import type { Reply } from './answer/answer.ts'
import type { Demotions } from './budget/demotions.ts'
import { renderDenial } from './errors.ts'
import type { Outbox } from './events/types.ts'
import type { UsageEvents } from './events/usage-events.ts'
import type { ClientLink, Denial, Identified, Inspected, RawExchange, Reserved } from './exchange.ts'
import type { Jobs } from './jobs.ts'
import type { Meter } from './metering/meter.ts'
import type { AnswerFacts } from './providers/provider.ts'
import { errorFormatOf } from './providers/registry.ts'
import type { Forwarded } from './upstream/forward.ts'

/** How far an exchange got. */
export type End =
  | { readonly kind: 'denied'; readonly known: Identified | null; readonly refusal: Denial }
  | { readonly kind: 'abandoned'; readonly inspected: Inspected }
  | { readonly kind: 'forwarded'; readonly reserved: Reserved; readonly forwarded: Forwarded }

/** What closes an exchange. */
export interface Closers {
  readonly meter: Meter
  readonly outbox: Outbox
  readonly events: UsageEvents
  readonly jobs: Jobs
  readonly demotions: Pick<Demotions, 'judge'>
  policyRevision(): string
  /** Told of each exchange when it is over: metrics and log. `addedMs`: from the whole request to its sending. */
  observe(event: UsageEvent, addedMs: number | null): void
  /** Told of what should not happen. */
  onInternalError(error: unknown): void
}

/** Gives an exchange its one settlement and its one event. Never throws: an intent that stayed open would hold its money. */
export function close(closers: Closers, raw: RawExchange, reply: Reply, end: End): void {
  switch (end.kind) {
    case 'denied':
      closeDenied(closers, raw, reply, end)
      return
    case 'abandoned': {
      const { authorized, findings } = end.inspected
      const left = { outcome: 'aborted', code: null, clientStatus: null, findings, budgetDecision: null } as const
      told(closers, closers.events.unsent(raw, authorized.identified, authorized.policy.revision, left))
      return
    }
    case 'forwarded':
      closeForwarded(closers, raw, reply, end)
  }
}

function told({ outbox, observe }: Closers, event: UsageEvent): void {
  outbox.record(event)
  observe(event, null)
}

function closeDenied(
  closers: Closers,
  raw: RawExchange,
  reply: Reply,
  { known, refusal }: Extract<End, { kind: 'denied' }>,
) {
  const answer = renderDenial(refusal, raw.id, known?.errors ?? errorFormatOf(raw.method, raw.target))
  const clientStatus = raw.client.gone ? null : answer.status
  reply.head(answer.status, null, answer.headers)
  reply.end(answer.body)
  const { code, findings, budgetDecision } = refusal
  const end = { outcome: outcomeOf(code), code, clientStatus, findings, budgetDecision }
  told(closers, closers.events.unsent(raw, known, closers.policyRevision(), end))
}

const outcomeOf = (code: Code): Outcome => (code === 'acc_internal' ? 'failed' : 'denied')

function closeForwarded(
  closers: Closers,
  raw: RawExchange,
  reply: Reply,
  { reserved, forwarded }: Extract<End, { kind: 'forwarded' }>,
): void {
  if (forwarded.result.outcome === 'failed' && !reply.headSent) reply.destroy()
  if (!isHeld(closers, raw, reserved, forwarded)) settle(closers, raw.acceptedMs, reserved, forwarded)
}

/** Whether the settlement waits for what a later answer tells. An answer that tells it ends the job first. */
function isHeld(closers: Closers, raw: RawExchange, reserved: Reserved, forwarded: Forwarded): boolean {
  const { facts } = forwarded.result
  if (facts === null || facts.responseId === null) return false
  const { provider } = reserved.target.provider
  if (reserved.cover.kind === 'uncovered') {
    closers.jobs.tell(provider, facts)
    return false
  }
  if (facts.unfinished !== true) return false
  const kept = withoutBytes(reserved)
  return closers.jobs.hold(provider, facts.responseId, (later) =>
    settle(closers, raw.acceptedMs, kept, later === null ? forwarded : toldLater(forwarded, later)),
  )
}

function settle(closers: Closers, acceptedMs: number, reserved: Reserved, forwarded: Forwarded): void {
  const { cover } = reserved
  const { event, charged } = conclude(closers, reserved, forwarded)
  if (cover.kind === 'covered') closers.outbox.settle({ intent: cover.intent, charged, event })
  else closers.outbox.record(event)
  closers.observe(event, forwarded.sentAtMs === null ? null : forwarded.sentAtMs - acceptedMs)
}

/** The same attempt, with what a later answer says of it. */
const toldLater = (forwarded: Forwarded, facts: AnswerFacts): Forwarded => ({
  ...forwarded,
  result: { ...forwarded.result, facts },
})

const NOTHING = Buffer.alloc(0)
const GONE: ClientLink = { gone: true, signal: AbortSignal.abort(), onGone: () => {} }

/** What is kept of an exchange that waits for an hour: neither its bytes nor its connection. */
function withoutBytes(reserved: Reserved): Reserved {
  const { planned } = reserved
  const { inspected } = planned
  const { authorized } = inspected
  const { identified } = authorized
  const raw = { ...identified.raw, body: NOTHING, headers: [], client: GONE }
  const slim = { ...authorized, identified: { ...identified, raw } }
  return {
    ...reserved,
    body: NOTHING,
    planned: { ...planned, inspected: { ...inspected, body: NOTHING, authorized: slim } },
  }
}

/** What an attempt is charged and its event; the bound where the attempt cannot be metered. */
function conclude(
  { meter, events, demotions, onInternalError }: Closers,
  reserved: Reserved,
  forwarded: Forwarded,
): { readonly event: UsageEvent; readonly charged: NanoUsd } {
  try {
    const metered = meter(reserved, forwarded)
    demotions.judge(reserved, metered)
    return { event: events.attempted(reserved, forwarded, metered), charged: metered.charged }
  } catch (error) {
    onInternalError(error)
    const { cover } = reserved
    if (cover.kind === 'uncovered') {
      const unmetered = { precision: 'none', reason: 'it could not be metered', usage: null, cost: null } as const
      return { event: events.attempted(reserved, forwarded, { ...unmetered, charged: ZERO_USD }), charged: ZERO_USD }
    }
    const { event, reservation } = cover.intent
    return { event: { ...event, outcome: 'failed', code: 'acc_internal' }, charged: reservation.bound }
  }
}
