import { errorFields, type Logger } from '../log.ts'
import type { BudgetAlerts } from './alerts.ts'

/** What the jobs need. */
export interface BudgetJobsOptions {
  readonly orgId: string
  readonly alerts: Pick<BudgetAlerts, 'sweep' | 'idle'>
  readonly log: Logger
  readonly everyMs?: number
}

const EVERY_MS = 30_000

/** Looks for alerts that no booking finds, and for those that nobody was told of. @returns what ends that */
export function startBudgetJobs({ orgId, alerts, log, everyMs = EVERY_MS }: BudgetJobsOptions): () => Promise<void> {
  let running: Promise<void> = Promise.resolve()
  let closed = false
  const look = async (): Promise<void> => {
    try {
      await alerts.sweep(orgId)
    } catch (error) {
      log.warn('alerts of budgets could not be looked for; it is tried again', errorFields(error))
    }
    if (!closed) timer = setTimeout(begin, everyMs)
  }
  const begin = (): void => {
    running = look()
  }
  let timer = setTimeout(begin, everyMs)
  return async () => {
    closed = true
    clearTimeout(timer)
    await running
    await alerts.idle()
  }
}
