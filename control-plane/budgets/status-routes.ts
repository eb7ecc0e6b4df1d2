import { BUDGET_ALERT_KINDS, type Period } from '@agentcostcontrol/contract'
import * as z from 'zod'
import { ADMIN, type Api, anyOf } from '../api.ts'
import type { BudgetService } from './service.ts'
import { SOFTNESS } from './settings.ts'
import { ACTIVATIONS, type BudgetStatus, type BudgetSummary, type SubjectStatus } from './status.ts'

const nano = z.string().describe('nano-USD, a decimal integer')
const instant = z.string().describe('RFC 3339 UTC')
const kind = z.enum(BUDGET_ALERT_KINDS)
const params = z.object({ id: z.string().max(253).describe('name of the budget') })
const limit = z.coerce.number().int().min(1).max(200).default(50)
const nextCursor = z.string().nullable().describe('`null` on the last page')

const period = z.object({
  id: z.string(),
  startsAt: instant.nullable().describe('`null` for one without a begin'),
  endsAt: instant.nullable().describe('`null` for one without an end'),
})

const alert = z.object({
  budgetUid: z.string(),
  name: z.string(),
  subject: z.string(),
  periodId: z.string(),
  threshold: z.number().describe('per cent of the limit'),
  kind,
  spentNanoUsd: nano.describe('settled and unreported, when it was found'),
  limitNanoUsd: nano,
  crossedAt: instant,
})

const activation = z
  .enum(ACTIVATIONS)
  .describe('`activating` until every sidecar that is there runs a revision that has it')

const budgetSummary = z.object({
  id: z.string(),
  uid: z.string(),
  limitNanoUsd: nano.describe('of each subject'),
  period,
  status: activation,
  state: z.enum(['ok', 'warning', 'critical']).describe('of the subject that is spent furthest'),
  subjects: z.number().describe('with a counter in this period'),
  settledNanoUsd: nano.describe('of all subjects, as the next two'),
  escrowNanoUsd: nano,
  unreportedNanoUsd: nano,
  top: z
    .object({ subject: z.string(), spentNanoUsd: nano, sharePercent: z.number().nullable() })
    .nullable()
    .describe('the subject that is spent furthest'),
})

const subjectStatus = z.object({
  subject: z.string(),
  limitNanoUsd: nano,
  settledNanoUsd: nano.describe('charged by events'),
  escrowNanoUsd: nano.describe('set aside in leases'),
  unreportedNanoUsd: nano.describe('of the escrow, what leases hold that are over or fenced: it may have been spent'),
  availableNanoUsd: nano.describe('left to grant; negative where more is committed than the limit'),
  excess: z.object({
    overrunNanoUsd: nano.describe('charged above what leases held'),
    aboveLimitNanoUsd: nano.describe('committed above the limit otherwise: it was lowered, or does not hold'),
  }),
  worstCaseOverspendNanoUsd: nano
    .nullable()
    .describe('what can still be spent above the limit; `null` where nothing bounds it, see softBecause'),
  burnRate: z.object({ nanoUsdPerHour: nano, overHours: z.number() }).nullable(),
  projectedBreachAt: instant.nullable().describe('if it goes on like this; `null` if not within the period'),
  thresholds: z.array(z.object({ threshold: z.number(), kind, crossedAt: instant.nullable() })),
  holders: z.number().describe('leases with open money'),
  leases: z
    .array(
      z.object({
        instanceId: z.uuid(),
        generation: z.number(),
        state: z.enum(['active', 'closed', 'fenced']),
        expired: z.boolean(),
        expiresAt: instant,
        openNanoUsd: nano,
      }),
    )
    .describe('the 50 that hold most'),
})

const instantOf = (ms: number): string | null => (Number.isFinite(ms) ? new Date(ms).toISOString() : null)
const shownPeriod = ({ id, startsAtMs, endsAtMs }: Period) => ({
  id,
  startsAt: instantOf(startsAtMs),
  endsAt: instantOf(endsAtMs),
})

const summarised = ({ budget, top, ...sums }: BudgetSummary) => ({
  id: budget.name,
  uid: budget.uid,
  limitNanoUsd: String(budget.limit),
  period: shownPeriod(sums.period),
  status: sums.activation,
  state: sums.state,
  subjects: sums.subjects,
  settledNanoUsd: String(sums.settled),
  escrowNanoUsd: String(sums.escrow),
  unreportedNanoUsd: String(sums.unreported),
  top: top && { subject: top.subject, spentNanoUsd: String(top.spent), sharePercent: top.sharePercent },
})

const shownSubject = (of: SubjectStatus) => ({
  subject: of.subject,
  limitNanoUsd: String(of.limit),
  settledNanoUsd: String(of.settled),
  escrowNanoUsd: String(of.escrow),
  unreportedNanoUsd: String(of.unreported),
  availableNanoUsd: String(of.available),
  excess: { overrunNanoUsd: String(of.overrun), aboveLimitNanoUsd: String(of.aboveLimit) },
  worstCaseOverspendNanoUsd: of.worstCaseOverspend?.toString() ?? null,
  burnRate: of.burn && { nanoUsdPerHour: String(of.burn.nanoPerHour), overHours: of.burn.overHours },
  projectedBreachAt: of.breachAtMs === null ? null : instantOf(of.breachAtMs),
  thresholds: [...of.thresholds],
  holders: of.holders,
  leases: of.leases.map(({ subject: _, ...lease }) => lease),
})

/** How far budgets are spent, and were. */
export function statusRoutes(api: Api, status: BudgetStatus, budgets: Pick<BudgetService, 'history'>): void {
  const common = { method: 'GET', config: { callers: ADMIN } } as const
  api.route({
    ...common,
    url: '/api/v1/budgets/status/summary',
    schema: {
      summary: 'How far each budget in force is spent, by name, and the newest alerts',
      querystring: z.strictObject({
        cursor: z.string().max(253).optional().describe('`nextCursor` of the page before'),
        limit,
        alerts: z.coerce.number().int().min(0).max(500).default(50).describe('how many of the newest'),
      }),
      response: {
        200: z.object({ budgets: z.array(budgetSummary), nextCursor, alerts: z.array(alert) }),
        ...anyOf(400, 503),
      },
    },
    handler: async (request) => {
      const { cursor, limit: most, alerts } = request.query
      const found = await status.summary(request.admin(), cursor ?? null, most, alerts)
      return {
        budgets: found.budgets.map(summarised),
        nextCursor: found.nextCursor,
        alerts: [...found.alerts],
      }
    },
  })
  api.route({
    ...common,
    url: '/api/v1/budgets/:id/status',
    schema: {
      summary:
        'How far a budget is spent in its period, by subject: sums, leases, thresholds and what is to be expected',
      params,
      querystring: z.strictObject({
        cursor: z.string().max(300).optional().describe('`nextCursor` of the page before'),
        limit,
      }),
      response: {
        200: z.object({
          id: z.string(),
          uid: z.string(),
          limitNanoUsd: nano,
          period,
          status: activation,
          hard: z.boolean().describe('whether the limit holds'),
          softBecause: z.array(z.enum(SOFTNESS)).describe('why it may not'),
          subjects: z.array(subjectStatus).describe('those that were granted or charged something'),
          nextCursor,
        }),
        ...anyOf(400, 404, 503),
      },
    },
    handler: async (request) => {
      const { cursor, limit: most } = request.query
      const found = await status.status(request.admin(), request.params.id, cursor ?? null, most)
      const { budget, softBecause, subjects } = found
      return {
        id: budget.name,
        uid: budget.uid,
        limitNanoUsd: String(budget.limit),
        period: shownPeriod(found.period),
        status: found.activation,
        hard: softBecause.length === 0,
        softBecause: [...softBecause],
        subjects: subjects.map(shownSubject),
        nextCursor: found.nextCursor,
      }
    },
  })
  api.route({
    ...common,
    url: '/api/v1/budgets/:id/history',
    schema: {
      summary: 'What a budget was charged on each day (UTC, by when it was booked), oldest first; also of a former one',
      params,
      querystring: z.strictObject({
        days: z.coerce.number().int().min(1).max(365).default(30).describe('today and those before'),
        subject: z.string().max(256).optional().describe('one of them; left out, all together'),
      }),
      response: {
        200: z.object({
          id: z.string(),
          uid: z.string(),
          days: z.array(z.object({ day: z.string().describe('YYYY-MM-DD'), chargedNanoUsd: nano })),
        }),
        ...anyOf(400, 404, 503),
      },
    },
    handler: async (request) => {
      const { id } = request.params
      const { days, subject } = request.query
      const found = await budgets.history(request.admin(), id, subject ?? null, days)
      return { id, uid: found.uid, days: [...found.days] }
    },
  })
}
