import { type BudgetAlert, type Period, SUBJECT_NONE, SUBJECT_OTHER } from '@agentcostcontrol/contract'
import type { CompiledBudget } from '@agentcostcontrol/policy'
import type { Caller } from '../auth/service.ts'
import type { Database, Tx } from '../db/database.ts'
import { ApiError } from '../errors.ts'
import type { PolicyInForce, PolicyService } from '../policies/service.ts'
import { HEARD_WITHIN_MS } from '../sidecars/service.ts'
import { activationRepository } from './activation-repository.ts'
import { alertRepository } from './alert-repository.ts'
import { type Burn, projectedBreachMs } from './forecast.ts'
import { countsBy, marksOf, periodOfBudget, type Softness, softnessOf } from './settings.ts'
import { type OpenLeaseRow, type SubjectRow, statusRepository } from './status-repository.ts'

/** A budget is `activating` until every sidecar that is there runs a revision that has it. */
export const ACTIVATIONS = ['activating', 'active'] as const
/** One of {@link ACTIVATIONS}. */
export type Activation = (typeof ACTIVATIONS)[number]

/** A mark, and when it was passed in the period. */
export interface Threshold {
  /** Per cent of the limit. */
  readonly threshold: number
  readonly kind: BudgetAlert['kind']
  /** RFC 3339 UTC; `null` while it was not. */
  readonly crossedAt: string | null
}

/** How far one subject of a budget is spent; amounts in nano-USD. */
export interface SubjectStatus extends SubjectRow {
  /** Left to grant; negative where more is committed than the limit. */
  readonly available: bigint
  /** Committed above the limit beside what was overrun: the limit was lowered, or held back nothing. */
  readonly aboveLimit: bigint
  /** What can still be spent above the limit; `null` where nothing bounds it. */
  readonly worstCaseOverspend: bigint | null
  readonly burn: Burn | null
  /** ms since the epoch; `null` if not within the period. */
  readonly breachAtMs: number | null
  readonly thresholds: readonly Threshold[]
  /** Those that hold most. */
  readonly leases: readonly OpenLeaseRow[]
}

/** How far a budget is spent. */
export interface BudgetState {
  readonly budget: CompiledBudget
  readonly period: Period
  readonly activation: Activation
  /** Why more than the limit can be spent; empty for a hard budget. */
  readonly softBecause: readonly Softness[]
  /** By name; subjects that were never charged nor granted anything are left out. */
  readonly subjects: readonly SubjectStatus[]
  readonly nextCursor: string | null
}

/** A budget in a list; sums over its subjects. */
export interface BudgetSummary {
  readonly budget: CompiledBudget
  readonly period: Period
  readonly activation: Activation
  readonly state: 'ok' | 'warning' | 'critical'
  readonly subjects: number
  readonly settled: bigint
  readonly escrow: bigint
  readonly unreported: bigint
  /** The subject that is spent furthest; `null` where nothing is. */
  readonly top: { readonly subject: string; readonly spent: bigint; readonly sharePercent: number | null } | null
}

/** A page of budgets, and the newest alerts of all. */
export interface StatusSummary {
  readonly budgets: readonly BudgetSummary[]
  readonly nextCursor: string | null
  readonly alerts: readonly BudgetAlert[]
}

/** How far budgets are spent. */
export interface BudgetStatus {
  summary(caller: Caller, cursor: string | null, limit: number, alerts: number): Promise<StatusSummary>
  /** @throws ApiError if no budget of this name is in force */
  status(caller: Caller, name: string, cursor: string | null, limit: number): Promise<BudgetState>
}

/** What it needs. */
export interface BudgetStatusOptions {
  readonly database: Database
  readonly policies: Pick<PolicyService, 'inForce'>
}

const LEASES_SHOWN = 50

/** Makes it. */
export function createBudgetStatus({ database, policies }: BudgetStatusOptions): BudgetStatus {
  return {
    summary: async ({ orgId }, cursor, limit, alerts) => {
      const all = ((await policies.inForce(orgId))?.policy.budgets ?? []).toSorted(byName)
      const after = all.filter(({ name }) => cursor === null || name > cursor)
      const page = after.slice(0, limit)
      return database.inOrg(orgId, async (tx) => {
        const nowMs = await statusRepository.nowMs(tx)
        const periods = page.map((budget) => ({ budget, period: periodOfBudget(budget, nowMs) }))
        const keys = periods.map(({ budget: { uid }, period }) => ({ uid, period }))
        const rows = new Map((await statusRepository.sums(tx, keys)).map((row) => [row.uid, row]))
        const activating = await activationRepository.activating(tx, HEARD_WITHIN_MS)
        return {
          budgets: periods.map((each) => ({
            ...summaryOf(each, rows.get(each.budget.uid)),
            activation: activationOf(activating, each.budget.uid),
          })),
          nextCursor: after.length > limit ? (page.at(-1)?.name ?? null) : null,
          alerts: await alertRepository.newest(tx, alerts),
        }
      })
    },
    status: async ({ orgId }, name, cursor, limit) => {
      const current = await policies.inForce(orgId)
      const budget = current?.policy.budgets.find((one) => one.name === name)
      if (!current || !budget) throw new ApiError('acc_api_not_found', `There is no budget "${name}" in force.`)
      return database.inOrg(orgId, (tx) => stateOf(tx, current, budget, cursor ?? '', limit))
    },
  }
}

async function stateOf(
  tx: Tx,
  { policy }: PolicyInForce,
  budget: CompiledBudget,
  after: string,
  limit: number,
): Promise<BudgetState> {
  const nowMs = await statusRepository.nowMs(tx)
  const period = periodOfBudget(budget, nowMs)
  const found = await statusRepository.subjects(tx, budget.uid, period, after, limit + 1)
  const rows = found.slice(0, limit)
  const names = rows.map(({ subject }) => subject)
  const marks = marksOf(budget)
  const [leases, crossed, burns] = await Promise.all([
    statusRepository.openLeases(tx, budget.uid, period.id, names, LEASES_SHOWN),
    alertRepository.crossed(tx, { uid: budget.uid, periodId: period.id, windowMs: marks.windowMs }, names),
    burnsOf(tx, budget, names),
  ])
  const softBecause = softnessOf(budget, policy)
  const activation = activationOf(await activationRepository.activating(tx, HEARD_WITHIN_MS), budget.uid)
  const subjects = rows.map((row): SubjectStatus => {
    const { subject, settled, escrow, unreported, overrun } = row
    const cap = row.limit ?? budget.limit
    const above = max(0n, settled + escrow - cap)
    const burn = burns.get(subject) ?? null
    const passed = crossed.filter((alert) => alert.subject === subject)
    return {
      ...row,
      limit: cap,
      available: cap - settled - escrow,
      aboveLimit: max(0n, above - overrun),
      worstCaseOverspend: softBecause.length > 0 ? null : above,
      burn,
      breachAtMs: projectedBreachMs({ nowMs, limit: cap, spent: settled + unreported, burn, period }),
      thresholds: marks.marks.map((threshold) => ({
        threshold,
        kind: threshold === marks.critical ? 'critical' : threshold === marks.warning ? 'warning' : 'threshold',
        crossedAt: passed.find((alert) => alert.threshold === threshold)?.crossedAt ?? null,
      })),
      leases: leases.filter((lease) => lease.subject === subject),
    }
  })
  return {
    budget,
    period,
    activation,
    softBecause,
    subjects,
    nextCursor: found.length > limit ? (names.at(-1) ?? null) : null,
  }
}

/** Of the last hour where the sums of requests tell it, else of today and yesterday. */
async function burnsOf(
  tx: Tx,
  budget: CompiledBudget,
  subjects: readonly string[],
): Promise<ReadonlyMap<string, Burn>> {
  const by = countsBy(budget)
  if (by === 'all') {
    const nano = await statusRepository.lastHourOfAll(tx)
    return new Map(subjects.map((subject) => [subject, { nanoPerHour: nano, overHours: 1 }]))
  }
  const days = await statusRepository.recentDays(tx, budget.uid, subjects)
  // An agent without a name stands under an empty one.
  const agentOf = (subject: string): string => (subject === SUBJECT_NONE ? '' : subject)
  const hour = by === 'agent' ? await statusRepository.lastHour(tx, subjects.map(agentOf)) : null
  return new Map(
    subjects.map((subject) => {
      if (hour !== null && subject !== SUBJECT_OTHER)
        return [subject, { nanoPerHour: hour.get(agentOf(subject)) ?? 0n, overHours: 1 }]
      const { charged, hours } = days.get(subject) ?? { charged: 0n, hours: 24 }
      return [subject, { nanoPerHour: BigInt(Math.round(Number(charged) / hours)), overHours: hours }]
    }),
  )
}

function summaryOf(
  { budget, period }: { readonly budget: CompiledBudget; readonly period: Period },
  row: Awaited<ReturnType<typeof statusRepository.sums>>[number] | undefined,
): Omit<BudgetSummary, 'activation'> {
  if (row === undefined)
    return { budget, period, state: 'ok', subjects: 0, settled: 0n, escrow: 0n, unreported: 0n, top: null }
  const { subjects, settled, escrow, unreported, topSubject, topSpent } = row
  const limit = row.topLimit ?? budget.limit
  const sharePercent = limit === 0n ? null : Number((topSpent * 10_000n) / limit) / 100
  const { warning, critical } = marksOf(budget)
  const share = sharePercent ?? (topSpent > 0n ? critical : 0)
  const state = share >= critical ? 'critical' : share >= warning ? 'warning' : 'ok'
  const top = { subject: topSubject, spent: topSpent, sharePercent }
  return { budget, period, state, subjects, settled, escrow, unreported, top }
}

/** Whether a budget is activating. */
export const activationOf = (activating: ReadonlySet<string>, uid: string): Activation =>
  activating.has(uid) ? 'activating' : 'active'

const byName = (a: CompiledBudget, b: CompiledBudget): number => (a.name < b.name ? -1 : 1)
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)
