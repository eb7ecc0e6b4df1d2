import { SidecarError } from '../errors.ts'
import { type Outbox, OutboxUnavailableError } from '../events/types.ts'
import type { UsageEvents } from '../events/usage-events.ts'
import {
  type Abandoned,
  type Ask,
  type Denial,
  denial,
  type Inspected,
  isAbandoned,
  isDenial,
  type Planned,
  type Reserved,
  type Target,
} from '../exchange.ts'
import { setModel } from '../providers/set-model.ts'
import { type ChooseOptions, choose, NO_NOTICES } from './choose.ts'
import type { MeteredAsk } from './hold.ts'

/** Stage 6: bound, clamp only when exhausted, one reservation over every budget, the intent on disk. */
export type Reserve = (planned: Planned) => Promise<Reserved | Denial | Abandoned>

/** What stage 6 needs. */
export interface ReserveOptions extends ChooseOptions {
  readonly outbox: Outbox
  readonly events: UsageEvents
}

/** Makes stage 6. */
export function createReserve(options: ReserveOptions): Reserve {
  const { outbox, gate, events } = options
  return async (planned) => {
    const [target] = planned.targets
    const { inspected } = planned
    const { ask } = inspected.authorized.identified
    if (ask.kind === 'passThrough' || target.priced === null) {
      forget(ask)
      return {
        planned,
        target,
        cover: { kind: 'uncovered' },
        body: inspected.body,
        upstreamTarget: inspected.authorized.identified.upstreamTarget,
        notices: NO_NOTICES,
        hidesUsage: false,
        clampedOutputTokens: null,
      }
    }
    const { holding, notices } = choose(options, inspected, ask, { ...target, priced: target.priced })
    const held = holding instanceof Promise ? await holding : holding
    // Leases are not granted either while nothing can be written down: that is why there is no money, then.
    if (isDenial(held) && held.code === 'acc_budget_busy' && !outbox.writable) return UNWRITABLE
    if (isDenial(held) || isAbandoned(held)) return held
    const { reservation, clamped, bound, isBoundedByBody, decision } = held
    const { priced } = held.target
    try {
      // Everything that can fail stands before the intent: what is behind it must end in a settlement.
      const sending = bytesToSend(ask, inspected, held.target, clamped)
      forget(ask)
      const intent = { reservation, event: events.unresolved(inspected, held.target, reservation, clamped, decision) }
      await outbox.commitIntent(intent)
      return {
        planned,
        target: held.target,
        notices,
        cover: { kind: 'covered', intent, priced, bound, isBoundedByBody },
        ...sending,
        clampedOutputTokens: clamped,
      }
    } catch (error) {
      gate.release(reservation)
      if (!(error instanceof OutboxUnavailableError)) throw error
      return UNWRITABLE
    }
  }
}

const UNWRITABLE = denial(
  'acc_outbox_unavailable',
  'The sidecar cannot write to its disk, so it sends nothing that costs money. See acc_outbox_* in its metrics.',
  { retryAfterS: 5 },
)

/** Lets the conversation go. A function of its own: the frame of one that waits would hold on to it. */
function forget(ask: Ask): void {
  if (ask.kind === 'metered') ask.request = ask.adapter.remember(ask.request)
  else ask.carried = null
}

/** The request as it is sent: for the model that was chosen, with a lower output limit, and asking for usage, where that is needed. */
function bytesToSend(
  ask: MeteredAsk,
  { authorized, body }: Inspected,
  { model, insteadOf }: Target,
  clamped: number | null,
): Pick<Reserved, 'body' | 'upstreamTarget' | 'hidesUsage'> {
  const { adapter } = ask
  const asked = { body, upstreamTarget: authorized.identified.upstreamTarget }
  const addressed = insteadOf === null ? asked : setModel(asked, ask.request, model)
  if (addressed === null)
    throw new SidecarError('acc_internal', 'The request cannot be sent to the model that was chosen.')
  if (insteadOf !== null) ask.request = { ...ask.request, model }
  const { request } = ask
  const limited = clamped === null ? addressed.body : adapter.limitOutput(addressed.body, request, clamped)
  const reporting = request.stream ? adapter.askForUsage(limited, request) : null
  return { ...addressed, body: reporting ?? limited, hidesUsage: reporting !== null }
}
