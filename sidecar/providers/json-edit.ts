/**
 * Edits JSON as bytes: what is not edited stays byte for byte. The text must have been accepted by JSON.parse before;
 * on anything else the result is undefined. Where a key stands twice the last one counts, as for JSON.parse.
 */
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d

/** Thrown when a path does not lead to a value. */
export class JsonPathError extends Error {
  override readonly name = 'JsonPathError'
}

interface Span {
  readonly start: number
  readonly end: number
}

/** One replacement of the bytes `[start, end)`. */
export interface JsonSplice extends Span {
  readonly bytes: Buffer
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from
  while (at < bytes.length) {
    const byte = bytes[at]
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break
    at++
  }
  return at
}

/** `from` is at the opening quote; the answer is behind the closing one. */
function skipString(bytes: Buffer, from: number): number {
  let at = from + 1
  for (;;) {
    const quote = bytes.indexOf(QUOTE, at)
    if (quote === -1) throw new JsonPathError('unterminated string')
    let slashes = 0
    while (bytes[quote - 1 - slashes] === BACKSLASH) slashes++
    if (slashes % 2 === 0) return quote + 1
    at = quote + 1
  }
}

/** `from` is at the first byte of a value; the answer is behind its last. */
function skipValue(bytes: Buffer, from: number): number {
  const first = bytes[from]
  if (first === QUOTE) return skipString(bytes, from)
  if (first !== OPEN_OBJECT && first !== OPEN_ARRAY) {
    let at = from
    while (at < bytes.length) {
      const byte = bytes[at] ?? 0
      if (byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY || byte <= 0x20) break
      at++
    }
    return at
  }
  let depth = 0
  for (let at = from; at < bytes.length; ) {
    const byte = bytes[at]
    if (byte === QUOTE) {
      at = skipString(bytes, at)
      continue
    }
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      depth--
      if (depth === 0) return at + 1
    }
    at++
  }
  throw new JsonPathError('unterminated value')
}

interface Member {
  readonly keyStart: number
  readonly value: Span
}

function findMember(bytes: Buffer, object: number, key: string): Member | null {
  if (bytes[object] !== OPEN_OBJECT) throw new JsonPathError(`"${key}" is not below an object`)
  let found: Member | null = null
  let at = skipSpace(bytes, object + 1)
  while (bytes[at] === QUOTE) {
    const keyEnd = skipString(bytes, at)
    const colon = skipSpace(bytes, keyEnd)
    if (bytes[colon] !== COLON) throw new JsonPathError('expected a colon')
    const start = skipSpace(bytes, colon + 1)
    const end = skipValue(bytes, start)
    if (JSON.parse(bytes.toString('utf8', at, keyEnd)) === key) found = { keyStart: at, value: { start, end } }
    at = skipSpace(bytes, end)
    if (bytes[at] !== COMMA) break
    at = skipSpace(bytes, at + 1)
  }
  return found
}

function findElement(bytes: Buffer, array: number, index: number): Span {
  if (bytes[array] !== OPEN_ARRAY) throw new JsonPathError(`${index} is not below an array`)
  let at = skipSpace(bytes, array + 1)
  for (let element = 0; bytes[at] !== CLOSE_ARRAY; element++) {
    const end = skipValue(bytes, at)
    if (element === index) return { start: at, end }
    at = skipSpace(bytes, end)
    if (bytes[at] !== COMMA) break
    at = skipSpace(bytes, at + 1)
  }
  throw new JsonPathError(`no element ${index}`)
}

function locate(bytes: Buffer, path: readonly (string | number)[]): Span {
  const start = skipSpace(bytes, 0)
  let span: Span = { start, end: bytes.length }
  for (const step of path) {
    if (typeof step === 'number') span = findElement(bytes, span.start, step)
    else {
      const member = findMember(bytes, span.start, step)
      if (!member) throw new JsonPathError(`no member "${step}"`)
      span = member.value
    }
  }
  return path.length === 0 ? { start, end: skipValue(bytes, start) } : span
}

/** Puts `json` in place of the value at `path`. @throws JsonPathError if there is none. */
export function replaceValue(bytes: Buffer, path: readonly (string | number)[], json: string): JsonSplice {
  return { ...locate(bytes, path), bytes: Buffer.from(json) }
}

/** Sets a member of the object at `path`: replaces its value, or adds it in front. @throws JsonPathError if `path` is no object. */
export function setMember(bytes: Buffer, path: readonly (string | number)[], key: string, json: string): JsonSplice {
  const object = locate(bytes, path).start
  const member = findMember(bytes, object, key)
  if (member) return { ...member.value, bytes: Buffer.from(json) }
  const at = object + 1
  const comma = bytes[skipSpace(bytes, at)] === CLOSE_OBJECT ? '' : ','
  return { start: at, end: at, bytes: Buffer.from(`${JSON.stringify(key)}:${json}${comma}`) }
}

const NOTHING = Buffer.alloc(0)

/** Takes a member of the root object out, with one comma; `null` if there is none. */
export function removeMember(bytes: Buffer, key: string): JsonSplice | null {
  const member = findMember(bytes, skipSpace(bytes, 0), key)
  if (!member) return null
  const start = member.keyStart
  let before = start - 1
  while (before > 0 && (bytes[before] ?? 0) <= 0x20) before--
  if (bytes[before] === COMMA) return { start: before, end: member.value.end, bytes: NOTHING }
  const after = skipSpace(bytes, member.value.end)
  if (bytes[after] === COMMA) return { start, end: skipSpace(bytes, after + 1), bytes: NOTHING }
  return { start, end: member.value.end, bytes: NOTHING }
}

/** Applies splices that do not overlap, in any order, in one copy. */
export function splice(bytes: Buffer, splices: readonly JsonSplice[]): Buffer {
  const ordered = [...splices].sort((a, b) => a.start - b.start)
  const parts: Buffer[] = []
  let at = 0
  for (const edit of ordered) {
    parts.push(bytes.subarray(at, edit.start), edit.bytes)
    at = edit.end
  }
  parts.push(bytes.subarray(at))
  return Buffer.concat(parts)
}
