import { SEGMENT_SOURCES } from '@agentcostcontrol/contract'
import { mergeFindings } from '../redact.ts'
import type { SelfTestedDetector } from '../types.ts'
import { createEngine, HOLD_CHARS_MAX } from './engine.ts'
import { matchesAt } from './match.ts'
import { openFrom } from './open-from.ts'
import { RULE_FILES } from './rules/index.ts'

const engine = createEngine(RULE_FILES)

/** Finds credentials of known formats, and names that are given one: docs/detection.md tells how. */
export const secretsDetector: SelfTestedDetector = {
  id: 'secrets',
  sources: SEGMENT_SOURCES,
  grades: null,
  rulesOff: [],
  version: engine.version,
  holdCharsMax: HOLD_CHARS_MAX,
  detect: (text) => mergeFindings(matchesAt(engine.placesIn(text), text).map(({ finding }) => finding)),
  openFrom: (text) => openFrom(engine, text),
  // Put together at run time, so that no scanner of repositories takes the source for a leak.
  canary: () => `deploy with ${['AK', 'IA'].join('')}${['Q3EGRT7Z', '5WXKCN2M'].join('')} today`,
}
