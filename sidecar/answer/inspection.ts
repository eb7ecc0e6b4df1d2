import type { Clock } from '../clock.ts'
import type { Coverage } from '../inspect/coverage.ts'
import type { TurnInspection } from '../inspect/inspection.ts'
import type { RedactedValues } from '../inspect/restore/redacted-values.ts'
import type { ScanFailures } from '../inspect/scan-failure.ts'
import type { SegmentScanner } from '../inspect/scanner.ts'

/** What an answer is inspected with; `null` in its place where no policy asks for it. */
export interface AnswerInspection extends TurnInspection {
  readonly scanner: SegmentScanner
  readonly failures: ScanFailures
  readonly coverage: Coverage
  /** Values of the request that are put back where the answer names them; `null` for none. */
  readonly redacted: RedactedValues | null
  readonly clock: Pick<Clock, 'monotonicMs'>
}
