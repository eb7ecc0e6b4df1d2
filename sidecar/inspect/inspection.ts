import type { PlaceholderOf } from '@agentcostcontrol/detectors'
import type { CompiledSecurity } from '@agentcostcontrol/policy'
import type { Suppressions } from '../control/suppressions.ts'
import type { Coverage, Judged } from './coverage.ts'
import type { Placeholders } from './restore/placeholders.ts'
import type { DetectorSet } from './scanner.ts'
import type { AnswerFlow } from './session/answer-flow.ts'

/** What the texts of one exchange are judged with. */
export interface Inspection {
  readonly security: CompiledSecurity
  readonly set: DetectorSet
  /** Counts what is judged, in the exchange's wire format. */
  readonly judged: Judged
  readonly agent: string | null
  /** What people let pass for a while. */
  readonly suppressions: Pick<Suppressions, 'covers'>
  /** Writes what stands in place of what is taken out. */
  readonly placeholderOf: PlaceholderOf
}

/** What the texts of an answer are judged with. */
export interface TurnInspection extends Inspection {
  /** What its session knows; `null` where no policy asks. */
  readonly turn: AnswerFlow | null
}

/** Makes inspections. @param format the adapter's operation, e.g. `chat.completions` */
export type InspectionOf = (security: CompiledSecurity, agent: string | null, format: string) => Inspection

/** Binds them to the detectors, the counts, what people let pass, and the placeholders. */
export const createInspections =
  (
    detectorSet: (security: CompiledSecurity) => DetectorSet,
    coverage: Coverage,
    suppressions: Pick<Suppressions, 'covers'>,
    placeholders: Placeholders,
  ): InspectionOf =>
  (security, agent, format) => {
    const set = detectorSet(security)
    return {
      security,
      set,
      judged: coverage.of(set.detectors, format),
      agent,
      suppressions,
      placeholderOf: placeholders(agent),
    }
  }
