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
    let slot = 0
    for (let at = 0; at < HEAD_CHARS; at++) slot = next(slot, value, at)
    mayBegin[slot] = 1
  }
  if (byHead.size === 0) return null
  for (const alike of byHead.values()) alike.sort((a, b) => b.length - a.length)
  return (text, onValue) => {
    let left = COMPARED_ANYWAY + text.length * COMPARED_PER_CHAR
    let slot = 0
    let from = 0
    for (let end = 0; end < text.length && left > 0; end++) {
      slot = next(slot, text, end)
      if (mayBegin[slot] === 0) continue
      const at = end + 1 - HEAD_CHARS
      if (at < from) continue
      const found = byHead.get(text.slice(at, at + HEAD_CHARS))?.find((value) => {
        const alike = charsAlike(text, at, value)
        left -= alike
        return left > 0 && alike === value.length && isWord(text, at, at + value.length)
      })
      if (found === undefined) continue
      onValue(at, at + found.length, placeholders.get(found) ?? '')
      from = at + found.length
    }
  }
}

/** How many characters of a value stand in a text, the first four being known to. */
function charsAlike(text: string, at: number, value: string): number {
  let alike = HEAD_CHARS
  while (alike < value.length && text.charCodeAt(at + alike) === value.charCodeAt(alike)) alike++
  return alike
}

/** The slot of the last four characters: each is shifted out of its 16 bits by the fourth behind it. */
const next = (slot: number, text: string, at: number): number => ((slot << 4) ^ text.charCodeAt(at)) & 65_535

const isWord = (text: string, start: number, end: number): boolean =>
  !(WORD.test(text.charAt(start)) && WORD.test(text.charAt(start - 1))) &&
  !(WORD.test(text.charAt(end - 1)) && WORD.test(text.charAt(end)))
