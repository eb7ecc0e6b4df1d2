/** What compiled policy and prices look like to those who enforce them. Everything is immutable and safe to share. */
import type {
  BudgetAction,
  BudgetScope,
  CustomRuleDocument,
  FindingAction,
  ModelPrice,
  NanoUsd,
  PeriodRule,
  PicoUsd,
  PolicyDocument,
  PolicyTestDocument,
  Principal,
  ProviderName,
  Rates,
  RUNAWAY_ACTIONS,
  SegmentSource,
  ServiceTier,
  Severity,
  TokenUsage,
  UsageField,
} from '@agentcostcontrol/contract'

/** A budget ready to match. */
export interface CompiledBudget {
  /** Stable across edits of the document: derived from kind and name. */
  readonly uid: string
  readonly name: string
  readonly scope: BudgetScope
  /** What its subjects are made of: `agent`, `model`, `tag team` …; nothing for everybody. */
  readonly countsBy: readonly string[]
  readonly limit: NanoUsd
  readonly period: PeriodRule
  readonly mode: 'audit' | 'enforce'
  /** True if nothing passes that it has no money for; others let themselves be overdrawn. */
  readonly isHard: boolean
  /** What is done from which share of the limit on, in per cent, the largest last. */
  readonly steps: readonly BudgetStep[]
  /** Cheaper models, best first. */
  readonly downgrade: readonly string[]
  /** Requests a minute that `throttle` lets pass; `null` without one. */
  readonly throttledPerMinute: number | null
  /** Per cent of the limit, ascending, each once. */
  readonly thresholds: readonly number[]
  readonly warning: number
  readonly critical: number
  readonly onDisconnect: 'spend-lease' | 'deny' | 'allow'
  readonly maxSubjects: number
}

/** What a budget does from a share of its limit on. */
export interface BudgetStep {
  /** Per cent of the limit. */
  readonly at: number
  readonly action: BudgetAction
}

/** What a request shows of itself to budgets. */
export interface Spender {
  readonly principal: Principal
  /** The model that is about to be asked; `null` for a request without one. */
  readonly model: SpenderModel | null
  /** `key-` and 16 hex digits of the SHA-256 of the key that the request is sent with; `null` without one, and {@link SEVERAL_KEYS}. */
  apiKey(): string | null
}

/** A model as an attempt names it, and as it is priced. */
export interface SpenderModel {
  readonly provider: string
  readonly asked: string
  /** The name of the price list's entry; the asked one where there is none. */
  readonly canonical: string
  /** The canonical name of a model that a selector names; `null` for one that is not on the list. */
  canonicalOf(name: string): string | null
}

/** A budget that holds for a request, and the subject that it counts for. */
export interface MatchedBudget {
  readonly budget: CompiledBudget
  readonly subject: string
}

/** What is done with findings of one detector. */
export interface CompiledDetectorPolicy {
  readonly detectorId: string
  readonly mode: 'audit' | 'enforce'
  readonly request: Readonly<Record<Severity, FindingAction>>
  readonly response: Readonly<Record<Severity, FindingAction>>
  /** The least score of each severity, by source, where they are not the detector's own. */
  readonly thresholds: SecurityPolicyThresholds
  readonly rules: ReadonlyMap<string, 'on' | 'off'>
  readonly allow: {
    /** SHA-256, hex. */
    readonly hashes: ReadonlySet<string>
    readonly tools: ReadonlySet<string>
    readonly hosts: ReadonlySet<string>
    /** With their leading dot. */
    readonly hostsBelow: readonly string[]
  }
  /** Where what it takes out of a request is put back; `null` for nowhere. */
  readonly restore: RestorePlaces | null
}

/** Where a value of a request is put back: in the text of its answer, and in what these tools are called with. */
export interface RestorePlaces {
  /** `*` for every tool. */
  readonly tools: ReadonlySet<string>
}

/** The least score of each severity, by source. */
export type SecurityPolicyThresholds = {
  readonly [S in SegmentSource]?: { readonly [V in Severity]?: number | undefined } | undefined
}

/** The security policy that holds for a request. */
export interface CompiledSecurity {
  readonly name: string
  readonly detectors: readonly CompiledDetectorPolicy[]
  /** The same, by detector id. */
  readonly byDetector: ReadonlyMap<string, CompiledDetectorPolicy>
  readonly canaries: readonly string[]
  readonly onOverload: 'open' | 'closed'
  readonly onTimeout: 'open' | 'closed'
  readonly timeoutMs: number
  /** True if some enforced response action is `redact`, `block` or `quarantine`: only then is an answer held back. */
  readonly holdsResponses: boolean
  /** True if something that is taken out of a request is put back into its answer. */
  readonly restoresRedacted: boolean
  /** Part of the key of the verdict cache: changes whenever the detectors that run change. */
  readonly detectorsKey: string
  /** `null` where nobody looks for agents that run away. */
  readonly runaway: CompiledRunaway | null
}

/** When an agent counts as one that runs away, and what is done about it. */
export interface CompiledRunaway {
  readonly mode: 'audit' | 'enforce'
  readonly action: (typeof RUNAWAY_ACTIONS)[number]
  /** `minPerMinute` is nano-USD: a measure and no money, so a number. */
  readonly velocity: { readonly factor: number; readonly minPerMinute: number; readonly windowMs: number } | null
  readonly repeats: { readonly count: number; readonly withinMs: number; readonly similarity: number } | null
  readonly throttle: { readonly requestsPerMinute: number; readonly forMs: number }
  readonly pauseMs: number
}

/** What a ProviderConfig says of a model: which one of a price list it is, or what it costs. */
export interface StatedModel {
  /** Its name on the list. */
  readonly model: string
  /** The provider on the rate card whose list it stands on; `null` where there is none. */
  readonly priceList: string | null
  /** Rates in place of the list's; `null` where those hold. */
  readonly rates: Rates | null
  /** Limits in place of the list's; `null` where those hold. */
  readonly contextTokensMax: number | null
  readonly outputTokensMax: number | null
}

/** How a provider is reached. */
export interface CompiledProvider {
  readonly name: string
  readonly provider: ProviderName
  /** `null` where the document leaves it to the sidecar's configuration. */
  readonly baseUrl: string | null
  /** What is said of models, by the names that requests use. */
  readonly models: ReadonlyMap<string, StatedModel>
  readonly onUnpricedModel: 'deny' | 'worstCase'
  readonly onUnpricedEndpoint: 'passThrough' | 'deny'
  readonly onUnbounded: 'deny' | 'contextWindow' | 'allowCounted'
  readonly onClientAbort: 'abort' | 'drain'
  readonly minOutputTokens: number
  readonly connectTimeoutMs: number
  readonly headersTimeoutMs: number
  readonly idleTimeoutMs: number
}

/** One revision of policy, compiled. */
export interface CompiledPolicy {
  /** Content hash of the files it was made from. */
  readonly revision: string
  readonly budgets: readonly CompiledBudget[]
  /** Every budget that holds for a request. Memoised by what they look at, bounded: the same array for the same. */
  budgetsFor(spender: Spender): readonly MatchedBudget[]
  /** The security policy that holds, or `null` if none does. @param provider `null` where it is not known */
  securityFor(principal: Principal, provider: ProviderName | null): CompiledSecurity | null
  /** Rules of one's own, in the order of their names. */
  readonly customRules: readonly CustomRuleDocument[]
  /** The configuration of a provider; the defaults of the schema where no document names it. */
  provider(provider: ProviderName): CompiledProvider
}

/** One thing that is wrong in a policy folder. */
export interface PolicyProblem {
  /** Relative to the policy folder. */
  readonly file: string
  /** 1-based. */
  readonly line: number
  /** E.g. `spec.limit`; empty for a document as a whole. */
  readonly path: string
  /** What is wrong and how to mend it. */
  readonly message: string
}

/** A file of a policy folder. */
export interface PolicyFile {
  readonly path: string
  readonly text: string
}

/** The outcome of reading a folder. */
export type PolicyResult =
  | { readonly ok: true; readonly policy: CompiledPolicy }
  | { readonly ok: false; readonly problems: readonly PolicyProblem[] }

/** A document that is enforced: any but a test. */
export type EnforcedDocument = Exclude<PolicyDocument, PolicyTestDocument>

/** A folder that was read and found good: plain data, made into a policy by `assemblePolicy`. */
export interface CheckedPolicy {
  readonly revision: string
  readonly documents: readonly EnforcedDocument[]
  /** The budgets among them as they are written. */
  readonly budgets: readonly BudgetSource[]
  /** Cases of PolicyTests, all of which passed. */
  readonly tests: number
}

/** A budget as its author wrote it. */
export interface BudgetSource {
  readonly name: string
  /** Relative to the policy folder. */
  readonly file: string
  /** 1-based. */
  readonly line: number
  /** The document: plain data, money as text. */
  readonly document: Readonly<Record<string, unknown>>
}

/** The outcome of checking a folder. */
export type PolicyCheck =
  | ({ readonly ok: true } & CheckedPolicy)
  | { readonly ok: false; readonly problems: readonly PolicyProblem[] }

/** A model's price, found and ready to multiply. Made by the price book, opaque elsewhere. */
export interface PricedModel {
  readonly price: ModelPrice
  /** Why this entry was found. */
  readonly foundBy: 'exact' | 'alias' | 'snapshot' | 'policy' | 'worstCase'
  /** `LIST/MODEL`, or `policy` for rates that a policy states; `null` where the list has it under the name that was asked for. */
  readonly pricedAs: string | null
  readonly contextTokensMax: number | null
  readonly outputTokensMax: number | null
}

/** What one attempt costs. */
export interface Cost {
  readonly total: NanoUsd
  /** By usage field; fields without cost are left out. */
  readonly components: Readonly<Partial<Record<UsageField, PicoUsd>>>
  readonly rateCardVersion: string
  /** As of the model that it was computed for ({@link PricedModel.pricedAs}). */
  readonly pricedAs: string | null
}

/** When and how usage was served; both decide the rates. */
export interface PricingContext {
  readonly serviceTier: ServiceTier | null
  readonly atMs: number
}

/** The most that a request can use. */
export interface UsageBound {
  readonly inputTokensMax: number
  /** All output together, over all choices. */
  readonly outputTokensMax: number
  readonly hostedToolCallsMax: number
  /** The tier that the request asks for; `null` (the provider's choice, or `auto`) means any that it could get. */
  readonly serviceTier: ServiceTier | null
}

/** A rate card, compiled. */
export interface PriceBook {
  readonly version: string
  /** `null` for an unknown model: exact name, alias or declared snapshot, never a prefix. Memoised, bounded. */
  find(provider: string, model: string, atMs: number): PricedModel | null
  /** The price of a model that a policy states; `null` if its list does not know it and no rates are stated. */
  stated(model: StatedModel, atMs: number): PricedModel | null
  /** An entry with the provider's dearest rates on every axis, for `onUnpricedModel: worstCase`. */
  worstCase(provider: string): PricedModel
  cost(model: PricedModel, usage: TokenUsage, context: PricingContext): Cost
  /** U: the dearest cost over all reachable usage, tiers and hours. Never below `cost` of any usage within the bound. */
  bound(model: PricedModel, bound: UsageBound, atMs: number): NanoUsd
  /** The largest `outputTokensMax` whose bound is at most `affordable`; `null` if not even the input is. */
  affordableOutputTokens(model: PricedModel, bound: UsageBound, affordable: NanoUsd, atMs: number): number | null
}
