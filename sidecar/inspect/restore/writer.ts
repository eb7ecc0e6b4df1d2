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
  if (isJson(redactText(text, findings, inString))) return inString
  const numbers = numbersIn(text)
  const inPlaceOfNumbers: PlaceholderOf = (finding, matched, start = -1) =>
    numbers.has(start) ? `"${placeholderOf(finding, matched)}"` : inString(finding, matched)
  if (isJson(redactText(text, findings, inPlaceOfNumbers))) return inPlaceOfNumbers
  return isCall ? null : inString
}

const OPENS = /^\s*[{[]/
const NUMBER = /[-+.\deE]/

/** Where the numbers of a text of JSON begin. */
export function numbersIn(json: string): ReadonlySet<number> {
  const starts = new Set<number>()
  for (let at = 0; at < json.length; at++) {
    const char = json.charAt(at)
    if (char === '"') at = stringEnd(json, at)
    else if (char === '-' || (char >= '0' && char <= '9')) {
      starts.add(at)
      while (NUMBER.test(json.charAt(at + 1))) at++
    }
  }
  return starts
}

/** `from` is at the opening quote; the answer is at the closing one. */
function stringEnd(json: string, from: number): number {
  for (let quote = json.indexOf('"', from + 1); quote !== -1; quote = json.indexOf('"', quote + 1)) {
    let slashes = 0
    while (json[quote - 1 - slashes] === '\\') slashes++
    if (slashes % 2 === 0) return quote
  }
  return json.length
}

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
