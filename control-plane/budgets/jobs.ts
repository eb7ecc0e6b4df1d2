import type { EndedPeriods } from '../ledger/ended.ts'
import { errorFields, type Logger } from '../log.ts'
import type { BudgetAlerts } from './alerts.ts'

/** What the jobs need. */
export interface BudgetJobsOptions {
  readonly orgId: string
  readonly alerts: Pick<BudgetAlerts, 'sweep' | 'idle'>
  readonly ended: EndedPeriods
  readonly log: Logger
  readonly everyMs?: number
  readonly endedEveryMs?: number
}

const EVERY_MS = 30_000
const ENDED_EVERY_MS = 10 * 60_000

/**
 * Looks for alerts that no booking finds, and for those that nobody was told of; and removes what ended long ago.
 * @returns what ends that
 */
export function startBudgetJobs(options: BudgetJobsOptions): () => Promise<void> {
  const { orgId, alerts, ended, log, everyMs = EVERY_MS, endedEveryMs = ENDED_EVERY_MS } = options
  const failed = (what: string) => (error: unknown) => log.warn(`${what}; it is tried again`, errorFields(error))
  const enders = [
    repeat(() => alerts.sweep(orgId), everyMs, failed('alerts of budgets could not be looked for')),
    repeat(
      async () => {
        const counters = await ended.sweep(orgId)
        if (counters > 0) log.info('counters of budgets whose period ended long ago were removed', { counters })
      },
      endedEveryMs,
      failed('counters of ended periods could not be removed'),
    ),
  ]
  return async () => {
    await Promise.all(enders.map((end) => end()))
    await alerts.idle()
  }
}

/** Does something again and again, the next time so long after it was done. @returns what ends that */
function repeat(work: () => Promise<void>, everyMs: number, onError: (error: unknown) => void): () => Promise<void> {
  let running: Promise<void> = Promise.resolve()
  let closed = false
  const begin = (): void => {
    running = work()
      .catch(onError)
      .then(() => {
        if (!closed) timer = setTimeout(begin, everyMs)
      })
  }
  let timer = setTimeout(begin, everyMs)
  return async () => {
    closed = true
    clearTimeout(timer)
    await running
  }
}
