/**
 * The life of a request, stage by stage (docs/lifecycle.md draws it with every way out). Each stage returns what it adds
 * or a {@link Denial}. Whatever happens, the `finally` below gives one settlement and one event.
 */
import type { UsageEvent } from '@agentcostcontrol/contract'
import { type AnswerResult, type Reply, unread } from './answer/answer.ts'
import type { Authorize } from './authorize.ts'
import type { Reserve } from './budget/reserve-stage.ts'
import { renderDenial, SidecarError } from './errors.ts'
import type { Outbox } from './events/types.ts'
import type { UsageEvents } from './events/usage-events.ts'
import { type Denial, denial, type Identified, isDenial, type RawExchange, type Reserved } from './exchange.ts'
import type { Identify } from './identify.ts'
import type { InspectRequest } from './inspect/inspect-request.ts'
import type { Meter } from './metering/meter.ts'
import { routePath } from './providers/registry.ts'
import type { Plan } from './routing/plan.ts'
import type { Forward, Forwarded } from './upstream/forward.ts'

/** Handles exchanges. */
export interface Pipeline {
  /** Handles one exchange to its end; never rejects. */
  handle(raw: RawExchange, reply: Reply): Promise<void>
  /** Ends an exchange that was refused while it was accepted: stage 1's way out. */
  refuse(raw: RawExchange, reply: Reply, refusal: Denial): void
}

/** The stages and what closes an exchange. */
export interface PipelineStages {
  readonly identify: Identify
  readonly authorize: Authorize
  readonly inspectRequest: InspectRequest
  readonly plan: Plan
  readonly reserve: Reserve
  readonly forward: Forward
  readonly meter: Meter
  readonly outbox: Outbox
  readonly events: UsageEvents
  policyRevision(): string
  /** Told of each exchange when it is over: metrics and log. `addedMs`: from the whole request to its sending. */
  observe(event: UsageEvent, addedMs: number | null): void
  /** Told of what should not happen. */
  onInternalError(error: unknown): void
}

/** How far an exchange got, for the one settlement and the one event. */
type End =
  | { readonly kind: 'denied'; readonly known: Identified | null; readonly refusal: Denial }
  | { readonly kind: 'forwarded'; readonly reserved: Reserved; readonly forwarded: Forwarded }

/** Puts the stages together. */
export function createPipeline(stages: PipelineStages): Pipeline {
  const { identify, authorize, inspectRequest, plan, reserve, forward } = stages

  async function run(
    raw: RawExchange,
    reply: Reply,
    reached: { known: Identified | null; reserved: Reserved | null },
  ): Promise<End> {
    const deny = (refusal: Denial): End => ({ kind: 'denied', known: reached.known, refusal })

    const identified = identify(raw)
    if (isDenial(identified)) return deny(identified)
    reached.known = identified

    const authorized = authorize(identified)
    if (isDenial(authorized)) return deny(authorized)

    const inspecting = inspectRequest(authorized)
    const inspected = inspecting instanceof Promise ? await inspecting : inspecting
    if (isDenial(inspected)) return deny(inspected)

    const planned = plan(inspected)
    if (isDenial(planned)) return deny({ ...planned, findings: inspected.findings })

    const reserved = await reserve(planned)
    if (isDenial(reserved)) return deny({ ...reserved, findings: inspected.findings })
    reached.reserved = reserved

    return { kind: 'forwarded', reserved, forwarded: await forward(reserved, reply) }
  }

  async function handle(raw: RawExchange, reply: Reply): Promise<void> {
    const reached: { known: Identified | null; reserved: Reserved | null } = { known: null, reserved: null }
    let end: End = { kind: 'denied', known: null, refusal: INTERNAL }
    try {
      end = await run(raw, reply, reached)
    } catch (error) {
      stages.onInternalError(error)
      end = internalEnd(reached, error)
    } finally {
      close(stages, raw, reply, end)
    }
  }

  return {
    handle,
    refuse: (raw, reply, refusal) => close(stages, raw, reply, { kind: 'denied', known: null, refusal }),
  }
}

const INTERNAL = denial('acc_internal', 'The sidecar failed to handle the request. Its log says why.')

function internalEnd(
  reached: { readonly known: Identified | null; readonly reserved: Reserved | null },
  error: unknown,
): End {
  const refusal = error instanceof SidecarError ? denial(error.code, error.publicMessage) : INTERNAL
  if (!reached.reserved) return { kind: 'denied', known: reached.known, refusal }
  // The attempt may have been sent: it is charged as one without a result.
  const result: AnswerResult = unread('failed', refusal.code, null)
  return {
    kind: 'forwarded',
    reserved: reached.reserved,
    forwarded: { result, status: null, sent: true, sentAtMs: null, firstByteMs: null },
  }
}

/** Stages 9 to 11: meter, settle, emit; and the refusal, if there is one, to the client. */
function close(stages: PipelineStages, raw: RawExchange, reply: Reply, end: End): void {
  if (end.kind === 'denied') {
    const format = end.known?.errors ?? routePath(raw.target).route.family.errors
    const answer = renderDenial(end.refusal, raw.id, format)
    const clientStatus = raw.client.gone ? null : answer.status
    reply.head(answer.status, '', answer.headers)
    reply.end(answer.body)
    const event = stages.events.denied(raw, end.known, stages.policyRevision(), end.refusal, clientStatus)
    stages.outbox.record(event)
    stages.observe(event, null)
    return
  }
  const { reserved, forwarded } = end
  const metered = stages.meter(reserved, forwarded)
  const event = stages.events.attempted(reserved, forwarded, metered)
  if (reserved.cover.kind === 'covered') {
    stages.outbox.settle({ intent: reserved.cover.intent, charged: metered.charged, event })
  } else stages.outbox.record(event)
  stages.observe(event, forwarded.sentAtMs === null ? null : forwarded.sentAtMs - raw.acceptedMs)
  if (forwarded.result.outcome === 'failed' && !reply.headSent) reply.destroy()
}
