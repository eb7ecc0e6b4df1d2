/** JSON as its strings read: characters that were written as escapes, and need not be, hide a key as it is written. */

/** A text, and where its stretches stand in the JSON that it was read from. */
export interface Unescaped {
  readonly text: string
  spanOf(start: number, end: number): { readonly start: number; readonly end: number }
}

const ESCAPE = /\\(?:u00([2-7][0-9a-fA-F])|u[0-9a-fA-F]{4}|[^u])/g

/**
 * A JSON text with slashes and printable characters of ASCII in place of their escapes, and blanks in place of all others,
 * as many as there were characters; `null` where there are none of the former. Reads once: what is escaped twice stays so.
 */
export function unescaped(json: string): Unescaped | null {
  if (!json.includes('\\/') && !json.includes('\\u00')) return null
  /** Where a character stands for an escape, and how many characters were saved up to and with it. */
  const places: number[] = []
  const saved: number[] = []
  let sum = 0
  const text = json.replace(ESCAPE, (found: string, digits: string | undefined, at: number) => {
    if (digits === undefined && found !== '\\/') return found === '\\\\' ? found : ' '.repeat(found.length)
    const char = digits === undefined ? '/' : String.fromCharCode(Number.parseInt(digits, 16))
    places.push(at - sum)
    sum += found.length - 1
    saved.push(sum)
    return char
  })
  if (places.length === 0) return null
  const savedBefore = (offset: number): number => {
    let [low, high] = [0, places.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((places[middle] ?? 0) < offset) low = middle + 1
      else high = middle
    }
    return saved[low - 1] ?? 0
  }
  return { text, spanOf: (start, end) => ({ start: start + savedBefore(start), end: end + savedBefore(end) }) }
}
