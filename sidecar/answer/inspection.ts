import type { CompiledSecurity } from '@agentcostcontrol/policy'
import type { Coverage } from '../inspect/coverage.ts'
import type { DetectorSet, SegmentScanner } from '../inspect/scanner.ts'

/** What an answer is inspected with; `null` in its place where no policy asks for it. */
export interface AnswerInspection {
  readonly security: CompiledSecurity
  readonly set: DetectorSet
  readonly scanner: SegmentScanner
  readonly coverage: Coverage
}
