import { createHash } from 'node:crypto'
import { SEGMENT_SOURCES } from '@agentcostcontrol/contract'
import type { SelfTestedDetector } from '../types.ts'
import { RULES } from './compile.ts'
import { KEYWORDS } from './keywords.ts'
import { HOLD_CHARS_MAX, openFrom } from './open-from.ts'
import { scan } from './scan.ts'

/** Raised by hand when the code comes to decide otherwise; the rules and words are hashed. */
const ENGINE_VERSION = 1
const DATA = JSON.stringify([RULES.map(({ id, severity, context, forms }) => [id, severity, context, forms]), KEYWORDS])

/** Finds facts about people by how they are written, their check digits and the words beside them: docs/detection-pii.md. */
export const piiDetector: SelfTestedDetector = {
  id: 'pii',
  sources: SEGMENT_SOURCES,
  grades: null,
  rulesOff: ['domain', 'ip-address', 'mac-address', 'person-name'],
  version: `${ENGINE_VERSION}.${createHash('sha256').update(DATA).digest('hex').slice(0, 12)}`,
  holdCharsMax: HOLD_CHARS_MAX,
  detect: (text) => scan(text),
  openFrom,
  canary: () => `pay from ${['DE89', '3704', '0044', '0532', '0130', '00'].join(' ')} today`,
}
