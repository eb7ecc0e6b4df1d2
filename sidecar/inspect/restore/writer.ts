import type { Finding, Segment } from '@agentcostcontrol/contract'
import { type PlaceholderOf, redactText } from '@agentcostcontrol/detectors'

/**
 * What writes the placeholders of one text so that JSON stays JSON: a value is what its string says, so that it has the
 * same placeholder there as in plain text, and a number becomes a string. `null` if what a tool is called with would be
 * JSON no more.
 */
export function writerFor(
  { source, text }: Pick<Segment, 'source' | 'text'>,
  findings: readonly Finding[],
  placeholderOf: PlaceholderOf,
): PlaceholderOf | null {
  const isCall = source === 'tool_call'
  if (!(isCall || OPENS.test(text)) || !isJson(text)) return placeholderOf
  const inString: PlaceholderOf = (finding, matched) => placeholderOf(finding, unescaped(matched))
  const inPlaceOfNumbers: PlaceholderOf = (finding, matched) =>
    isNumber(matched) ? `"${placeholderOf(finding, matched)}"` : inString(finding, matched)
  const kept = [inString, inPlaceOfNumbers].find((writer) => isJson(redactText(text, findings, writer)))
  return kept ?? (isCall ? null : inString)
}

const OPENS = /^\s*[{[]/
const NUMBER = /^-?\d[\d.eE+-]*$/

/** Whether a part of a text could be a number of JSON. */
export const isNumber = (part: string): boolean => NUMBER.test(part)

/** What a part of a string of JSON says; the part itself if an escape was cut in two. */
function unescaped(part: string): string {
  if (!part.includes('\\')) return part
  try {
    return String(JSON.parse(`"${part}"`))
  } catch {
    return part
  }
}

/** Whether a text is that of JSON. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
