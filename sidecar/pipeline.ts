/**
 * The life of a request, stage by stage (docs/lifecycle.md draws it with every way out). Each stage returns what it adds
 * or a {@link Denial}. Whatever happens, the `finally` below gives one settlement and one event.
 */
import { type AnswerResult, type Reply, unread } from './answer/answer.ts'
import type { Authorize } from './authorize.ts'
import type { Reserve } from './budget/reserve-stage.ts'
import { type Closers, close, type End } from './close.ts'
import { SidecarError } from './errors.ts'
import {
  type Denial,
  denial,
  type Identified,
  isAbandoned,
  isDenial,
  type RawExchange,
  type Reserved,
} from './exchange.ts'
import type { Identify } from './identify.ts'
import type { InspectRequest } from './inspect/inspect-request.ts'
import type { Plan } from './routing/plan.ts'
import type { Watch } from './runaway/watch.ts'
import type { Forward } from './upstream/forward.ts'

/** Handles exchanges. */
export interface Pipeline {
  /** Handles one exchange to its end; never rejects. */
  handle(raw: RawExchange, reply: Reply): Promise<void>
  /** Ends an exchange that was refused while it was accepted: stage 1's way out. */
  refuse(raw: RawExchange, reply: Reply, refusal: Denial): void
}

/** The stages and what closes an exchange. */
export interface PipelineStages extends Closers {
  readonly identify: Identify
  readonly authorize: Authorize
  readonly watch: Watch
  readonly inspectRequest: InspectRequest
  readonly plan: Plan
  readonly reserve: Reserve
  readonly forward: Forward
}

/** Puts the stages together. */
export function createPipeline(stages: PipelineStages): Pipeline {
  const { identify, authorize, watch, inspectRequest, plan, reserve, forward } = stages

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

    const seen = watch(authorized)
    if (isDenial(seen)) return deny(seen)

    const inspecting = inspectRequest(authorized)
    const judged = inspecting instanceof Promise ? await inspecting : inspecting
    const inspected = seen.length === 0 ? judged : { ...judged, findings: [...seen, ...judged.findings] }
    if (isDenial(inspected)) return deny(inspected)

    const planned = plan(inspected)
    if (isDenial(planned)) return deny({ ...planned, findings: inspected.findings })

    const reserved = await reserve(planned)
    if (isDenial(reserved)) return deny({ ...reserved, findings: inspected.findings })
    if (isAbandoned(reserved)) return { kind: 'abandoned', inspected }
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
