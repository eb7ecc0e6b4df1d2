/** Tells each value in a text and its placeholder, ascending and not overlapping. */
export type FindValues = (text: string, onValue: (start: number, end: number, placeholder: string) => void) => void

/** Shorter ones are parts of too many words. */
const VALUE_CHARS_MIN = 6
/** Characters that may be compared in a text, for each of its own, and in any: hostile ones are searched no further. */
const COMPARED_PER_CHAR = 8
const COMPARED_ANYWAY = 65_536
/** Characters that a value is known by at first. */
const HEAD_CHARS = 4
const WORD = /[\p{L}\p{N}]/u

/**
 * Looks for many values in one pass: a table says of each place whether a value may begin there. `null` if none is long
 * enough. A value is found as a word of its own: no letter or digit goes on before or behind it.
 */
export function createValueFinder(placeholders: ReadonlyMap<string, string>): FindValues | null {
  const byHead = new Map<string, string[]>()
  const mayBegin = new Uint8Array(65_536)
  for (const value of placeholders.keys()) {
    if (value.length < VALUE_CHARS_MIN) continue
    const head = value.slice(0, HEAD_CHARS)
    const alike = byHead.get(head) ?? []
    alike.push(value)
    byHead.set(head, alike)
    mayBegin[slotOf(value, 0)] = 1
  }
  if (byHead.size === 0) return null
  for (const alike of byHead.values()) alike.sort((a, b) => b.length - a.length)
  return (text, onValue) => {
    const last = text.length - VALUE_CHARS_MIN
    let left = COMPARED_ANYWAY + text.length * COMPARED_PER_CHAR
    for (let at = 0; at <= last && left > 0; at++) {
      if (mayBegin[slotOf(text, at)] === 0) continue
      const found = byHead.get(text.slice(at, at + HEAD_CHARS))?.find((value) => {
        left -= value.length
        return left > 0 && text.startsWith(value, at) && isWord(text, at, at + value.length)
      })
      if (found === undefined) continue
      onValue(at, at + found.length, placeholders.get(found) ?? '')
      at += found.length - 1
    }
  }
}

/** Of the first characters, which differ most from value to value. */
const slotOf = (text: string, at: number): number =>
  ((text.charCodeAt(at) * 31 + text.charCodeAt(at + 1)) * 31 + text.charCodeAt(at + 2) * 7 + text.charCodeAt(at + 3)) &
  65_535

const isWord = (text: string, start: number, end: number): boolean =>
  !(WORD.test(text.charAt(start)) && WORD.test(text.charAt(start - 1))) &&
  !(WORD.test(text.charAt(end - 1)) && WORD.test(text.charAt(end)))
