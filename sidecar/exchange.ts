/**
 * The types between the stages of the pipeline. Each stage returns what it adds, wrapped around what it was given;
 * nothing is written to after it was returned.
 */
import type { BudgetDecision, Code, EventFinding, Principal, ProviderName } from '@agentcostcontrol/contract'
import type {
  CompiledPolicy,
  CompiledProvider,
  CompiledSecurity,
  PricedModel,
  UsageBound,
} from '@agentcostcontrol/policy'
import type { Intent } from './events/types.ts'
import type { RedactedValues } from './inspect/restore/redacted-values.ts'
import type { AnswerFlow } from './inspect/session/answer-flow.ts'
import type { Conversation } from './providers/kept-heads.ts'
import type { ErrorFormat, MeteredRequest, ProviderAdapter } from './providers/provider.ts'

/** The client's side of the exchange: whether it is still there. */
export interface ClientLink {
  /** True once the client closed its connection before the answer was complete. */
  readonly gone: boolean
  /** Aborted when the client goes; made on first use. */
  readonly signal: AbortSignal
  /** Called once, at once if the client is already gone. The last caller wins: one attempt runs at a time. */
  onGone(listener: () => void): void
}

/** Stage 1, accept: one request, whole. */
export interface RawExchange {
  readonly id: string
  /** Wall time of the first byte, ms since the epoch. */
  readonly receivedAtMs: number
  /** The same moment on the monotonic clock. */
  readonly startedMs: number
  /** When the whole request was there, on the monotonic clock. */
  readonly acceptedMs: number
  readonly method: string
  /** Path and query as sent. */
  readonly target: string
  /** Names and values in turn, order and case as sent. */
  readonly headers: readonly string[]
  readonly body: Buffer
  readonly client: ClientLink
}

/** A refusal: an expected outcome, not an exception. Rendered in the client's wire format by errors.ts. */
export interface Denial {
  readonly kind: 'denial'
  readonly code: Code
  /** For the client: what, why and how to mend it; never text of the prompt. */
  readonly message: string
  /** Seconds for `Retry-After`; `null` when trying again does not help. */
  readonly retryAfterS: number | null
  /** Further members of the error object, e.g. the budget's figures. */
  readonly details: Readonly<Record<string, string | number | null>>
  /** What the detectors saw until then. */
  readonly findings: readonly EventFinding[]
  /** Of a budget's refusal, for the event; `null` for any other. */
  readonly budgetDecision: BudgetDecision | null
}

/** Makes a {@link Denial}. */
export function denial(
  code: Code,
  message: string,
  extra: Partial<Pick<Denial, 'retryAfterS' | 'details' | 'findings' | 'budgetDecision'>> = {},
): Denial {
  return { kind: 'denial', code, message, retryAfterS: null, details: {}, findings: [], budgetDecision: null, ...extra }
}

/** Tells a stage's refusal from its result. */
export const isDenial = (value: object): value is Denial => 'kind' in value && value.kind === 'denial'

/** The client left before anything was sent: nobody is to be told, and nothing is to be charged. */
export interface Abandoned {
  readonly kind: 'abandoned'
}

/** Tells a client that left from a stage's result. */
export const isAbandoned = (value: object): value is Abandoned => 'kind' in value && value.kind === 'abandoned'

/** A request of a known wire format, read. */
export interface Asked {
  readonly adapter: ProviderAdapter
  request: MeteredRequest
  /** True if the strings of its body hold bytes (byte-strings.ts); its model's name is text. */
  readonly byteStrings: boolean
  /** What what is known of its texts is kept by; left out, or `null`: nothing is. */
  readonly conversation?: Conversation | null
}

/**
 * What is asked of the provider: a metered operation of a known wire format, or an endpoint that is only counted. The
 * request is the one thing that changes on its way: once its bytes are ready to be sent, its conversation is let go.
 */
export type Ask =
  | (Asked & { readonly kind: 'metered' })
  | {
      readonly kind: 'passThrough'
      readonly billable: boolean
      /** How its answer is read, where it is that of an earlier request; `null`: not at all. */
      readonly again: { readonly adapter: ProviderAdapter; readonly request: MeteredRequest } | null
      /** Whose text it carries, or why that cannot be read; `null`: nobody's, or let go. */
      carried: Asked | Denial | null
    }

/** Stage 2, identify. */
export interface Identified {
  readonly raw: RawExchange
  readonly provider: ProviderName
  /** E.g. `chat.completions`, or the path of a pass-through. */
  readonly operation: string
  /** Path and query below the provider's base URL, beginning with `/`. */
  readonly upstreamTarget: string
  readonly principal: Principal
  readonly ask: Ask
  /** How a refusal is told in the request's wire format. */
  readonly errors: ErrorFormat
}

/** Stage 3, authorize: the policy that applies. */
export interface Authorized {
  readonly identified: Identified
  readonly policy: CompiledPolicy
  readonly provider: CompiledProvider
  readonly security: CompiledSecurity | null
}

/** Stage 4, inspectRequest: the body may have been redacted. */
export interface Inspected {
  readonly authorized: Authorized
  readonly body: Buffer
  readonly findings: readonly EventFinding[]
  /** For `x-acc-warning`; rule ids only. */
  readonly warnings: readonly string[]
  /** Judges the answer by what the session has seen; `null` where no policy asks. */
  readonly turn: AnswerFlow | null
  /** What was taken out of the request and is put back into its answer; left out where nothing is. */
  readonly redacted?: RedactedValues
}

/** One way to serve the request. */
export interface Target {
  readonly provider: CompiledProvider
  readonly model: string
  readonly baseUrl: string
  /** `null` for a pass-through, or a model without a price that the policy lets through. */
  readonly priced: PricedModel | null
  /** The model that was asked for where a budget had this one taken instead; `null` where it is that. */
  readonly insteadOf: string | null
}

/** What budgets tell the client beside its answer. */
export interface BudgetNotices {
  /** For `x-acc-warning`. */
  readonly warnings: readonly string[]
  /** What is not spent of the budget that has the least left, in USD; `null` while none is near its limit. */
  readonly remainingUsd: string | null
}

/** Stage 5, plan. */
export interface Planned {
  readonly inspected: Inspected
  readonly targets: readonly [Target, ...Target[]]
}

/**
 * Stage 6, reserve: what may be sent.
 * - `covered`: a reservation over every budget and a committed intent stand behind it.
 * - `uncovered`: an endpoint without a price, passed through and counted.
 */
export type Cover =
  | {
      readonly kind: 'covered'
      readonly intent: Intent
      readonly priced: PricedModel
      /**
       * The most that it can use. Where policy lets an unbounded request through, nothing is reserved and its cost is
       * charged as overrun: then this is as much as the model's own limits tell, `null` if they tell nothing.
       */
      readonly bound: UsageBound | null
      /** True where the request's own body bounds it: a bill above the bound is then a limit that was not kept. */
      readonly isBoundedByBody: boolean
    }
  | { readonly kind: 'uncovered' }

/** Stage 6's result. */
export interface Reserved {
  readonly planned: Planned
  readonly target: Target
  readonly cover: Cover
  readonly notices: BudgetNotices
  /** The bytes to send, and path and query below the provider's base URL. */
  readonly body: Buffer
  readonly upstreamTarget: string
  /** True if the usage report was asked for on the client's behalf and must be taken out of the answer. */
  readonly hidesUsage: boolean
  /** The output limit told to the provider where it was lowered; `null` if it was not. */
  readonly clampedOutputTokens: number | null
}
