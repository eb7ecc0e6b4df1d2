import type { DetectorId } from '@agentcostcontrol/contract'
import type { Way } from './decoded.ts'

/** How what other detectors find is named here. */
const NAMES: Readonly<Partial<Record<DetectorId, string>>> = { secrets: 'secret', 'dangerous-command': 'command' }
const HIDDEN: ReadonlySet<Way> = new Set(['tag-characters', 'variation-selectors', 'zero-width'])
const WHOLLY_ENCODED: ReadonlySet<Way> = new Set([...HIDDEN, 'base64', 'hex'])

/** Whether nobody sees what stands there. */
export const isHidden = (way: Way): boolean => HIDDEN.has(way)

/** Whether a stretch may hold, beside what was decoded, text that stood there in the open. */
export const isPartlyPlain = (way: Way): boolean => !WHOLLY_ENCODED.has(way)

/** The rule of something that another detector found: how it was hidden, and what it is. */
export function ruleOf(way: Way, by: DetectorId): string {
  const how = isHidden(way) ? 'hidden' : way === 'look-alikes' ? 'disguised' : 'encoded'
  return `${how}-${NAMES[by] ?? by}`
}
