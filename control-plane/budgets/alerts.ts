import type { BudgetAlert, Counter } from '@agentcostcontrol/contract'
import type { CompiledBudget } from '@agentcostcontrol/policy'
import { afterCommit, type Database, type Tx } from '../db/database.ts'
import { errorFields, type Logger } from '../log.ts'
import { type AlertRow, alertRepository } from './alert-repository.ts'
import { marksOf } from './settings.ts'

/** Finds out what budgets were spent to, and tells somebody, once for each mark in each period. */
export interface BudgetAlerts {
  /** The budgets of a revision that comes into force with this transaction. */
  adoptBudgets(tx: Tx, budgets: readonly CompiledBudget[]): Promise<void>
  /** Finds what these counters passed with what this transaction booked on them; it is told after the commit. */
  booked(tx: Tx, counters: readonly Counter[]): Promise<void>
  /** Finds what was passed because leases ended, and tells what nobody was told of in time: a process may have died. */
  sweep(orgId: string): Promise<void>
  /** Resolves when everybody was told of what was found here. */
  idle(): Promise<void>
}

/** What it needs. */
export interface BudgetAlertsOptions {
  readonly database: Database
  readonly log: Logger
  /**
   * Told of each alert when it is committed. Where it rejects, or the process dies before that is written down, it is
   * told again, by any replica.
   */
  onAlert(orgId: string, alert: BudgetAlert): Promise<void> | void
  /** How long nobody else tells of an alert that was found here. */
  readonly handWithinMs?: number
}

const HAND_WITHIN_MS = 30_000
const AGAIN_MAX = 100

/** Makes it. */
export function createBudgetAlerts(options: BudgetAlertsOptions): BudgetAlerts {
  const { database, log, onAlert, handWithinMs = HAND_WITHIN_MS } = options
  const running = new Set<Promise<void>>()

  async function hand(row: AlertRow): Promise<void> {
    const { orgId, stretch: _, ...alert } = row
    try {
      await onAlert(orgId, alert)
      await database.inOrg(orgId, (tx) => alertRepository.noteHanded(tx, row))
    } catch (error) {
      log.warn('an alert of a budget was not handed over; it is tried again', {
        budget: row.name,
        subject: row.subject,
        threshold: row.threshold,
        ...errorFields(error),
      })
    }
  }

  function handAll(rows: readonly AlertRow[]): void {
    for (const row of rows) {
      const handing = hand(row).finally(() => running.delete(handing))
      running.add(handing)
    }
  }

  const tell = (tx: Tx, rows: readonly AlertRow[]): void => {
    if (rows.length > 0) afterCommit(tx, () => handAll(rows))
  }

  return {
    adoptBudgets: (tx, budgets) => alertRepository.saveMarks(tx, budgets.map(marksOf)),
    booked: async (tx, counters) => tell(tx, await alertRepository.cross(tx, counters, handWithinMs)),
    sweep: async (orgId) => {
      await database.inOrg(orgId, async (tx) => tell(tx, await alertRepository.crossByExpiry(tx, handWithinMs)))
      handAll(await database.inOrg(orgId, (tx) => alertRepository.takeUnhanded(tx, handWithinMs, AGAIN_MAX)))
    },
    idle: async () => {
      while (running.size > 0) await Promise.all(running)
    },
  }
}
