/**
 * The one record of one exchange, whatever happened to it. It never holds text of a prompt or an answer.
 * On the wire and on disk it is JSON; amounts are decimal-integer strings of nano-USD.
 */
import type { BudgetDecision } from './budget.ts'
import type { Code } from './codes.ts'
import type { FindingAction, SegmentSource, Severity, Taxonomy } from './finding.ts'
import type { ServiceTier, TokenUsage, UsageField } from './usage.ts'

/** Who made a request: from the sidecar's own configuration first, from `x-acc-*` headers where that is allowed. */
export interface Principal {
  readonly agent: string | null
  readonly workflow: string | null
  readonly session: string | null
  readonly task: string | null
  readonly tags: Readonly<Record<string, string>>
}

/**
 * How an exchange ended.
 * - `completed`: the provider's whole answer reached the client, an error answer of the provider included.
 * - `denied`: refused before any attempt was sent.
 * - `aborted`: the client left before the end.
 * - `cut`: the sidecar ended the answer (a finding, the budget's backstop).
 * - `failed`: no answer, or half of one: the provider's fault or ours.
 * - `unresolved`: the sidecar died in between; written at the next start.
 */
export type Outcome = 'completed' | 'denied' | 'aborted' | 'cut' | 'failed' | 'unresolved'

/** `exact`: the provider's own figures. `estimated`: never below the truth, and why is said. `none`: nothing was billed. */
export type Precision = 'exact' | 'estimated' | 'none'

/** One call of a provider. Prices are pinned by card version, so that the cost can be recomputed. */
export interface UsageAttempt {
  readonly provider: string
  /** As sent to the provider. */
  readonly requestedModel: string
  /** As the provider named it in the answer; `null` if it did not. */
  readonly responseModel: string | null
  /** The provider's id of the answer (`chatcmpl-…`), for reconciliation with its invoice; `null` if none was read. */
  readonly responseId: string | null
  /** HTTP status of the provider; `null` when none came. */
  readonly status: number | null
  readonly precision: Precision
  /** Why a figure is an estimate, or why nothing was billed; `null` when exact. */
  readonly reason: string | null
  readonly usage: TokenUsage | null
  /** The provider's usage JSON as it came. */
  readonly rawUsage: unknown
  readonly serviceTier: ServiceTier | null
  readonly rateCardVersion: string
  /**
   * Where the price came from if it did not stand on the provider's own list under the model's name: `LIST/MODEL` of the
   * rate card, or `policy` for a price that the policy of this revision states.
   */
  readonly pricedAs?: string
  /** Total in nano-USD, rounded up once; `null` for a model without a price. */
  readonly costNanoUsd: string | null
  /** Pico-USD by usage field; fields without cost are left out. */
  readonly costPicoUsd: Readonly<Partial<Record<UsageField, string>>>
  /** What the provider itself said that it cost, in nano-USD; left out where it says nothing. */
  readonly providerCostNanoUsd?: string
  /**
   * What was charged to the budgets: the cost, or what the provider says where that is more, or the bound where the cost
   * is not known.
   */
  readonly chargedNanoUsd: string
  /** The bound U that was reserved. */
  readonly boundNanoUsd: string
}

/** Where a finding stood, without the text: the hash names the whole text, the span is in UTF-16 code units of it. */
export interface FindingPlace {
  /** The first 32 hex digits of the text's SHA-256. */
  readonly textHash: string
  readonly start: number
  readonly end: number
}

/** What else is told of findings of one kind. */
export interface FindingDetail {
  readonly source: SegmentSource
  /** The tool that was defined, called, or whose result it was; `null` for other text. */
  readonly tool: string | null
  readonly category: string
  /** The highest of them. */
  readonly score: number
  readonly detectorVersion: string
  readonly taxonomy: Taxonomy
  /** Microseconds that the inspection took, its wait for a worker included; `null` for a stream, judged as it passes. */
  readonly inspectionUs: number | null
  /** Where the first few stood. */
  readonly places: readonly FindingPlace[]
}

/** Most places that one entry of an event tells. */
export const FINDING_PLACES_MAX = 4

/** Findings of one kind and source as an event keeps them. */
export interface EventFinding {
  readonly detectorId: string
  readonly ruleId: string
  readonly severity: Severity
  readonly direction: 'request' | 'response'
  readonly action: FindingAction
  readonly mode: 'audit' | 'enforce'
  /** How many of this kind. */
  readonly count: number
  /** Left out of what is no finding in a text, and by sidecars before it was told. */
  readonly detail?: FindingDetail
}

/** What an exchange is charged to one lease of its sidecar: to the one that it was reserved from, whatever changed since (I5). */
export interface EventCharge {
  readonly budgetUid: string
  readonly subject: string
  readonly periodId: string
  /** Generation of the holder. */
  readonly generation: number
  readonly nanoUsd: string
}

/** The event. `eventId` and `intentAt` are its key: they stand in the intent, so that a recovery makes no new ones. */
export interface UsageEvent {
  readonly eventId: string
  /** RFC 3339 UTC. */
  readonly intentAt: string
  readonly instanceId: string
  readonly principal: Principal
  readonly operation: string
  readonly method: string
  /** Path without its query. */
  readonly path: string
  readonly streamed: boolean
  readonly outcome: Outcome
  /** The code of the refusal or failure; `null` when the provider's answer went through. */
  readonly code: Code | null
  /** Status that the client was told; `null` when it left before. */
  readonly clientStatus: number | null
  readonly policyRevision: string
  readonly attempts: readonly UsageAttempt[]
  readonly findings: readonly EventFinding[]
  /** One for each budget that was reserved from. */
  readonly charges: readonly EventCharge[]
  /** Output limit that was lowered to fit a budget; `null` if none was. */
  readonly clampedOutputTokens: number | null
  /** What a budget did with it, and which one; left out where all of them just let it pass. */
  readonly budgetDecision?: BudgetDecision
  /** Whole milliseconds from the first byte of the request to the last of the answer. */
  readonly durationMs: number
  /** Milliseconds to the first byte of the provider's answer; `null` when none came. */
  readonly upstreamFirstByteMs: number | null
}
