import { piiDetector, redactText, secretsDetector } from '@agentcostcontrol/detectors'
import { percentDecoded } from '../percent-decoded.ts'
import { told } from '../told.ts'

const CHARS_MAX = 512
/** Of a longer path no more is looked at, and the rest is not kept. */
const LOOKED_AT_MAX = 4_096

/** Those that find data; a path tells no model to do anything, and nobody runs it. */
const DETECTORS = [secretsDetector, piiDetector]

/**
 * The path of a request as an event keeps it: without its query, and without what looks like a secret or like facts about
 * people, whatever the policy says. A client chooses its path, and some put a key there by mistake. Rules that are off
 * unless a policy wants them are off here: in ids of files and threads they would see what is not there.
 * @param known true for the path of a metered operation, which is one of a few
 */
export function recordedPath(target: string, known: boolean): string {
  const query = target.indexOf('?')
  const path = (query === -1 ? target : target.slice(0, query)).slice(0, LOOKED_AT_MAX)
  if (known) return path.slice(0, CHARS_MAX)
  const plain = percentDecoded(path)
  const findings = DETECTORS.flatMap((detector) =>
    detector.detect(plain, { source: 'user' }).filter(({ ruleId }) => !detector.rulesOff.includes(ruleId)),
  )
  return findings.length === 0 ? path.slice(0, CHARS_MAX) : told(redactText(plain, findings), CHARS_MAX)
}
