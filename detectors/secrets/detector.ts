import { type Finding, SEGMENT_SOURCES } from '@agentcostcontrol/contract'
import { mergeFindings } from '../redact.ts'
import type { SelfTestedDetector } from '../types.ts'
import { createEngine, HOLD_CHARS_MAX } from './engine.ts'
import { unescaped } from './json-escapes.ts'
import { matchesAt } from './match.ts'
import { openFrom } from './open-from.ts'
import { RULE_FILES } from './rules/index.ts'

const engine = createEngine(RULE_FILES)

const findingsIn = (text: string): readonly Finding[] =>
  mergeFindings(matchesAt(engine.placesIn(text), text).map(({ finding }) => finding))

/** A JSON text with blanks in place of its escapes, so that offsets stay. */
const withoutEscapes = (text: string): string =>
  text.replace(/\\(?:u[0-9a-fA-F]{4}|[^u])/g, (found) => (found === '\\\\' ? found : ' '.repeat(found.length)))

/** What shows once escapes of a JSON text are read. */
function findingsUnescaped(json: string): readonly Finding[] {
  const read = unescaped(json)
  if (read === null) return []
  return findingsIn(read.text).map((finding) => ({ ...finding, ...read.spanOf(finding.start, finding.end) }))
}

/** Finds credentials of known formats, and names that are given one: docs/detection.md tells how. */
export const secretsDetector: SelfTestedDetector = {
  id: 'secrets',
  sources: SEGMENT_SOURCES,
  grades: null,
  rulesOff: [],
  version: engine.version,
  holdCharsMax: HOLD_CHARS_MAX,
  detect: (text, { source }) => {
    const found = findingsIn(text)
    const isJson = source === 'tool_call' || source === 'tool_definition'
    if (!isJson || !text.includes('\\')) return found
    // A letter of an escape before a key would hide where the key begins, and an escape in it all of it.
    return mergeFindings([...found, ...findingsIn(withoutEscapes(text)), ...findingsUnescaped(text)])
  },
  openFrom: (text) => openFrom(engine, text),
  // Put together at run time, so that no scanner of repositories takes the source for a leak.
  canary: () => `deploy with ${['AK', 'IA'].join('')}${['Q3EGRT7Z', '5WXKCN2M'].join('')} today`,
}
