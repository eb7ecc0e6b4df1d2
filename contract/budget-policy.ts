/** `kind: Budget`: how much may be spent by whom in which period, and what happens before and when it is spent. */
import * as z from 'zod'
import { BUDGET_PERIODS } from './lease.ts'
import { RESETS_MAX, windowMs } from './period.ts'
import { metadata, mode, POLICY_API_VERSION, usd } from './policy-parts.ts'
import { isTimeZone } from './zone.ts'

/** Whom a budget counts. Each but `global` needs the part of the selector that it is named after. */
export const BUDGET_SCOPES = [
  'global',
  'per_agent',
  'per_model',
  'per_workflow',
  'per_team',
  'per_session',
  'per_user',
  'per_api_key',
  'per_tag',
] as const
/** One of {@link BUDGET_SCOPES}. */
export type BudgetScope = (typeof BUDGET_SCOPES)[number]

/**
 * What a budget does at a share of its limit. `block` refuses. `downgrade_model` sends the request to a cheaper model of
 * the chain, and refuses where none is affordable. `throttle` lets some requests a minute pass. `alert_only` lets pass.
 */
export const BUDGET_ACTIONS = ['alert_only', 'block', 'downgrade_model', 'throttle'] as const
/** One of {@link BUDGET_ACTIONS}. */
export type BudgetAction = (typeof BUDGET_ACTIONS)[number]

const value = z.string().min(1).max(253)
const model = z.string().min(1).max(256)
const percent = z.int().min(1).max(100)
const TAGS_MAX = 4

const selector = z.strictObject({
  agent: value.optional(),
  /** A name, an alias or a dated snapshot of one; `"*"`: each model; or some models that are counted as one. */
  model: z
    .union([model, z.strictObject({ family: value, models: z.array(model).min(1).max(200) })], {
      error: 'expected a model\'s name, "*" for each model, or { family, models: [...] } for some that count as one',
    })
    .optional(),
  workflow: value.optional(),
  /** The tag `team`. */
  team: value.optional(),
  session: value.optional(),
  /** The tag `user`. */
  user: value.optional(),
  /** `key-` and the first 16 hex digits of the SHA-256 of the key that the request is sent with. */
  apiKey: value.optional(),
  tags: z
    .record(value, value)
    .refine((tags) => Object.keys(tags).length >= 1 && Object.keys(tags).length <= TAGS_MAX, `one to ${TAGS_MAX} tags`)
    .optional(),
})

type Selector = z.infer<typeof selector>

const NEEDED: Readonly<Record<BudgetScope, keyof Selector | null>> = {
  global: null,
  per_agent: 'agent',
  per_model: 'model',
  per_workflow: 'workflow',
  per_team: 'team',
  per_session: 'session',
  per_user: 'user',
  per_api_key: 'apiKey',
  per_tag: 'tags',
}

const LACKING = (scope: BudgetScope, part: string): string =>
  scope === 'per_agent'
    ? 'a per_agent budget needs selector.agent: the name of an agent, or "*" for each agent'
    : `a ${scope} budget needs selector.${part}: ${part === 'tags' ? 'one to four tags, each with a value or "*"' : 'a value, or "*" for each'}`

const throttle = z.strictObject({ requestsPerMinute: z.int().min(1).max(60_000) })

const step = z.strictObject({
  /** Per cent of the limit from which on it is done. */
  at: percent,
  action: z.enum(BUDGET_ACTIONS),
})

/** How much may be spent by whom in which period. */
export const budgetDocument = z.strictObject({
  apiVersion: z.literal(POLICY_API_VERSION),
  kind: z.literal('Budget'),
  metadata,
  spec: z
    .strictObject({
      scope: z.enum(BUDGET_SCOPES),
      /** Which requests it holds for, and by what it counts: all parts have to fit. `"*"`: each value has its counter. */
      selector: selector.optional(),
      limit: usd,
      period: z.enum(BUDGET_PERIODS),
      /** Length of a `rolling` period: `90m`, `24h`, `7d`. */
      window: z
        .string()
        .refine((text) => windowMs(text) !== null, 'expected a length from "10m" to "90d", like "24h"')
        .optional(),
      /** IANA name of the zone whose midnight begins a period. */
      timeZone: z.string().refine(isTimeZone, 'expected the name of a time zone, like "Europe/Berlin"').default('UTC'),
      /** Raised by one, the period begins anew: what was spent in it counts no more. */
      resets: z.int().min(0).max(RESETS_MAX).default(0),
      /** What happens once it is spent. */
      action: z.enum(BUDGET_ACTIONS).default('block'),
      /** What begins before that. */
      steps: z.array(step).max(8).default([]),
      /** Cheaper models, best first, for `downgrade_model`; of the provider that the request goes to. */
      downgrade: z.array(model).min(1).max(10).optional(),
      throttle: throttle.optional(),
      /** Shares of the limit, in per cent, whose crossing is told once a period. */
      thresholds: z.array(percent).max(20).default([50, 75, 90, 100]),
      /** From this share on answers carry a warning, and the crossing is told as one. */
      warning: percent.default(80),
      critical: percent.default(100),
      /**
       * While the control plane is away: spend the leases that are there, refuse at once, or let pass uncovered, which
       * may overspend.
       */
      onDisconnect: z.enum(['spend-lease', 'deny', 'allow']).default('spend-lease'),
      mode: mode.default('enforce'),
      /** Number of subjects with a counter of their own; all beyond share the subject `(other)`. */
      maxSubjects: z.int().min(1).max(100_000).default(1000),
    })
    .superRefine((spec, context) => {
      const tell = (path: keyof typeof spec, message: string): void =>
        context.addIssue({ code: 'custom', path: [path], message })
      const part = NEEDED[spec.scope]
      if (part !== null && spec.selector?.[part] === undefined) tell('selector', LACKING(spec.scope, part))
      if (part === null && spec.selector !== undefined) tell('selector', 'a global budget takes no selector')
      if ((spec.period === 'rolling') !== (spec.window !== undefined))
        tell('window', 'a rolling budget says how long it looks back, like window: "24h", and no other does')
      if ((spec.period === 'rolling' || spec.period === 'total') && spec.timeZone !== 'UTC')
        tell('timeZone', `a ${spec.period} budget knows no midnight: leave timeZone out`)
      const does = new Set([spec.action, ...spec.steps.map(({ action }) => action)])
      if (does.has('downgrade_model') !== (spec.downgrade !== undefined))
        tell(
          'downgrade',
          'the models of downgrade stand beside the action downgrade_model, and neither without the other',
        )
      if (does.has('throttle') !== (spec.throttle !== undefined))
        tell(
          'throttle',
          'throttle: { requestsPerMinute } stands beside the action throttle, and neither without the other',
        )
    }),
})

/** A validated document of `kind: Budget`. */
export type BudgetDocument = z.infer<typeof budgetDocument>
