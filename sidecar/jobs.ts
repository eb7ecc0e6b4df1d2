/**
 * Answers that are still being made when their exchange ends: OpenAI's background mode answers at once, and what it used
 * is told by whoever looks at the response later. Until then its intent stays open, with the whole bound held (H5); it
 * ends once, with the usage that a later answer reports, or with the bound where none does in time.
 */
import type { ProviderName } from '@agentcostcontrol/contract'
import type { Timers } from './clock.ts'
import type { AnswerFacts } from './providers/provider.ts'

/** Ends a job. @param facts what was told of it; `null` if nothing was */
export type EndJob = (facts: AnswerFacts | null) => void

/** The jobs of one sidecar. They live in memory: what is open at the next start is charged its bound. */
export interface Jobs {
  readonly count: number
  /** Keeps a job until it is told of. @returns false if there are too many: then it has to end now */
  hold(provider: ProviderName, responseId: string, end: EndJob): boolean
  /** What an answer says of a response; passed over if that is no job of this sidecar, or still being made. */
  tell(provider: ProviderName, facts: AnswerFacts): void
  /** Ends them all: nothing more will be told. */
  endAll(): void
}

/** Most jobs that are waited for. */
export const JOBS_MAX = 1_000
/** How long a job is waited for, ms: as long as the dearest hour that a bound covers. */
export const JOB_MS_MAX = 3_600_000

/** Makes the jobs of a sidecar. */
export function createJobs(timers: Timers): Jobs {
  const jobs = new Map<string, EndJob>()
  const keyOf = (provider: ProviderName, responseId: string): string => `${provider} ${responseId}`
  return {
    get count() {
      return jobs.size
    },
    hold: (provider, responseId, end) => {
      const key = keyOf(provider, responseId)
      if (jobs.size >= JOBS_MAX || jobs.has(key)) return false
      const callOff = timers.after(JOB_MS_MAX, () => jobs.get(key)?.(null))
      jobs.set(key, (facts) => {
        callOff()
        jobs.delete(key)
        end(facts)
      })
      return true
    },
    tell: (provider, facts) => {
      if (facts.responseId !== null && facts.unfinished !== true) jobs.get(keyOf(provider, facts.responseId))?.(facts)
    },
    endAll: () => {
      for (const end of [...jobs.values()]) end(null)
    },
  }
}
