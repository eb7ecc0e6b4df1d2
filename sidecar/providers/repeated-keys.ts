/**
 * Finds a key that stands twice in one object. Servers differ in which of the two they read (RFC 8259 §4), so what is
 * judged here might not be what is obeyed there.
 */
const COLON = 0x3a
const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * The first key that stands twice in one object of a JSON text, as it is read; `null` if none does. Every key has a
 * colon behind a string's last quote: as long as there are no more of those than keys in what was parsed, nothing is
 * walked.
 * @param text accepted by JSON.parse
 * @param keys how many keys the objects have that came of it
 */
export const repeatedKey = (text: string, keys: number): string | null =>
  colonsBehindStrings(text) > keys ? firstRepeated(text) : null

/** At least one for each key: a string that begins with a colon looks the same. */
function colonsBehindStrings(text: string): number {
  let found = 0
  for (let at = text.indexOf(':'); at !== -1; at = text.indexOf(':', at + 1)) {
    const quote = skipSpaceBack(text, at - 1)
    if (text.charCodeAt(quote) === QUOTE && !isEscaped(text, quote)) found++
  }
  return found
}

function skipSpaceBack(text: string, from: number): number {
  let at = from
  while (isSpace(text.charCodeAt(at))) at--
  return at
}

const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09

function isEscaped(text: string, quote: number): boolean {
  let slashes = 0
  while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes++
  return slashes % 2 === 1
}

/**
 * Whether keys were read as other ones. V8 takes an escaped key for the one that it expects there if that begins as the
 * escape does: after `{"a":1,"\\":2}` it may read `{"a":1,"\u006e":2}` as the same. What is read wrongly holds a backslash.
 * @param slashed the keys with a backslash in what was parsed
 */
export function isMisread(text: string, slashed: readonly string[]): boolean {
  const written: string[] = []
  walk(text, (key) => {
    if (key.includes('\\')) written.push(key)
    return false
  })
  return JSON.stringify(written.sort()) !== JSON.stringify([...slashed].sort())
}

function firstRepeated(text: string): string | null {
  let repeated: string | null = null
  walk(text, (key, keys) => {
    if (keys.has(key)) repeated = key
    keys.add(key)
    return repeated !== null
  })
  return repeated
}

/** Every key as it is written, with the set of its object, until one is what is looked for. */
function walk(text: string, isFound: (key: string, keys: Set<string>) => boolean): void {
  const around: (Set<string> | null)[] = []
  // Those of the object that is being read; `null` in an array.
  let keys: Set<string> | null = null
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === '{' || char === '[') {
      around.push(keys)
      keys = char === '{' ? new Set() : null
    } else if (char === '}' || char === ']') {
      keys = around.pop() ?? null
    } else if (char === '"') {
      const end = stringEnd(text, at)
      if (keys && text.charCodeAt(skipSpace(text, end)) === COLON) {
        if (isFound(String(JSON.parse(text.slice(at, end))), keys)) return
      }
      at = end - 1
    }
  }
}

function skipSpace(text: string, from: number): number {
  let at = from
  while (isSpace(text.charCodeAt(at))) at++
  return at
}

/** `from` is at the opening quote; the answer is behind the closing one. */
function stringEnd(text: string, from: number): number {
  let quote = text.indexOf('"', from + 1)
  while (quote !== -1 && isEscaped(text, quote)) quote = text.indexOf('"', quote + 1)
  return quote === -1 ? text.length : quote + 1
}
