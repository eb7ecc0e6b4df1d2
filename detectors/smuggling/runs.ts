/** Runs of base64 and hexadecimal digits that hold text. */
import { type Decoded, lastNotAbove, type Piece } from './decoded.ts'

/** Fewer characters say nothing that would be an attack, and are names too often. */
const RUN_CHARS_MIN = 24
/** Lines of one run are as long as this but for the last, which is at least so long. */
const LAST_LINE_CHARS_MIN = 4
/** What is looked at before a run is decoded. */
const SAMPLE_CHARS = 20
/** Bytes of which so many are no text are none: of a few at an end that was cut it still is. */
const BROKEN_SHARE_MAX = 0.02

const VALUES = new Int8Array(256).fill(-1)
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
for (let value = 0; value < ALPHABET.length; value++) VALUES[ALPHABET.charCodeAt(value)] = value
VALUES['-'.charCodeAt(0)] = 62
VALUES['_'.charCodeAt(0)] = 63

const LINE_END = /(?:\r?\n|\\r\\n|\\n)[ \t]{0,8}/y
const HEX = /^(?:0x)?(?:[0-9a-fA-F]{2}){12,}$/

/** Lines of a text that are one run; each but the last is as long as the first. */
type Lines = readonly { readonly start: number; readonly end: number }[]

/**
 * Every run that holds text, decoded, until `charsMax` came out.
 * @param ascii the text's code units, or 0 for what is not ASCII
 */
export function runsIn(text: string, ascii: Uint8Array, charsMax: number): readonly Piece[] {
  const pieces: Piece[] = []
  let left = charsMax
  for (let at = 0; left > 0; ) {
    const run = nextRun(ascii, at, text.length)
    if (!run) break
    at = run.end
    const piece = pieceOf(text, ascii, run.start, run.end)
    if (!piece) continue
    pieces.push(piece)
    left -= piece.decoded.text.length
    at = Math.max(at, piece.end)
  }
  return pieces
}

/** The next run of characters of the alphabet: every 24th is looked at, and from one that is none backwards. */
function nextRun(
  ascii: Uint8Array,
  from: number,
  length: number,
): { readonly start: number; readonly end: number } | null {
  let start = from
  while (start + RUN_CHARS_MIN <= length) {
    let at = start + RUN_CHARS_MIN - 1
    while (at >= start && isDigit(ascii, at)) at--
    if (at >= start) {
      start = at + 1
      continue
    }
    let end = start + RUN_CHARS_MIN
    while (end < length && isDigit(ascii, end)) end++
    return { start, end }
  }
  return null
}

const digitAt = (ascii: Uint8Array, at: number): number => VALUES[ascii[at] ?? 0] ?? -1
const isDigit = (ascii: Uint8Array, at: number): boolean => digitAt(ascii, at) >= 0

function pieceOf(text: string, ascii: Uint8Array, from: number, to: number): Piece | null {
  // The letter of an escape of JSON is none of the run.
  const start = text[from - 1] === '\\' && /[nrt]/.test(text[from] ?? '') ? from + 1 : from
  if (isHexDigit(ascii[start + 2] ?? 0) && isHexDigit(ascii[start + 3] ?? 0)) {
    const run = text.slice(start, to)
    if (HEX.test(run)) return hexPiece(run, start)
  }
  const wide = isWide(ascii, start)
  if (!wide && !mayBeText(ascii, start)) return null
  const lines = linesOf(text, ascii, start, to)
  const run = lines.map((line) => text.slice(line.start, line.end)).join('')
  const bytes = Buffer.from(run, 'base64')
  const said = bytes.toString(wide ? 'utf16le' : 'utf8')
  if (!isText(said)) return null
  const end = lines.at(-1)?.end ?? to
  return { way: 'base64', start, end, decoded: { text: said, ...placesIn(lines, said, wide) } }
}

const isHexDigit = (code: number): boolean => (code >= 48 && code <= 57) || ((code | 32) >= 97 && (code | 32) <= 102)

/** Offsets of what runs hold as UTF-16, as PowerShell takes it, or UTF-8. */
function placesIn(lines: Lines, said: string, wide: boolean): Omit<Decoded, 'text'> {
  const starts = lines.map((_, line) => (line === 0 ? 0 : line * ((lines[0]?.end ?? 0) - (lines[0]?.start ?? 0))))
  const place = (char: number): number => {
    const line = lastNotAbove(starts, char)
    return Math.min(lines[line]?.end ?? 0, (lines[line]?.start ?? 0) + char - (starts[line] ?? 0))
  }
  const byteAt = wide ? (index: number): number => index * 2 : bytesBefore(said)
  return {
    startOf: (index) => place(Math.floor((byteAt(index) * 4) / 3)),
    endOf: (index) => place(Math.ceil((byteAt(index) * 4) / 3) - 1) + 1,
  }
}

function hexPiece(run: string, start: number): Piece | null {
  const skipped = run.startsWith('0x') ? 2 : 0
  const head = Buffer.from(run.slice(skipped, skipped + 16), 'hex')
  if (!head.every((byte) => isPlain(byte) || byte >= 0xc2)) return null
  const said = Buffer.from(run.slice(skipped), 'hex').toString('utf8')
  if (!isText(said)) return null
  const byteAt = bytesBefore(said)
  const startOf = (index: number): number => start + skipped + byteAt(index) * 2
  return { way: 'hex', start, end: start + run.length, decoded: { text: said, startOf, endOf: startOf } }
}

/** The lines of the run that begins with the one given: those that follow are as long, but for the last. */
function linesOf(text: string, ascii: Uint8Array, start: number, end: number): Lines {
  const lines = [{ start, end }]
  const width = end - start
  if (width % 4 !== 0) return lines
  for (let at = end; ; ) {
    LINE_END.lastIndex = at
    const gap = LINE_END.exec(text)?.[0]
    if (gap === undefined) return lines
    const first = at + gap.length
    let last = first
    while (last < text.length && last - first < width && isDigit(ascii, last)) last++
    const isLast = last - first < width || (last < text.length && isDigit(ascii, last))
    // A word of the sentence behind it is no line of it.
    if (last - first < LAST_LINE_CHARS_MIN || (isLast && /[\w ]/.test(text[last] ?? '\n'))) return lines
    lines.push({ start: first, end: last })
    if (isLast) return lines
    at = last
  }
}

/** The three bytes that four digits hold. */
const bytesAt = (ascii: Uint8Array, at: number): number =>
  (digitAt(ascii, at) << 18) | (digitAt(ascii, at + 1) << 12) | (digitAt(ascii, at + 2) << 6) | digitAt(ascii, at + 3)

/** Whether a few characters decode to what may be the beginning of a text in UTF-8. */
function mayBeText(ascii: Uint8Array, start: number): boolean {
  let follow = 0
  for (let at = start; at < start + SAMPLE_CHARS; at += 4) {
    const bytes = bytesAt(ascii, at)
    for (let shift = 16; shift >= 0; shift -= 8) {
      const byte = (bytes >> shift) & 0xff
      if (follow > 0) {
        if ((byte & 0xc0) !== 0x80) return false
        follow--
      } else if (byte >= 0x80) {
        if (byte < 0xc2 || byte > 0xf4) return false
        follow = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1
      } else if (!isPlain(byte)) return false
    }
  }
  return true
}

/** Whether every second byte of the first six is zero, and the others are of a text. */
function isWide(ascii: Uint8Array, start: number): boolean {
  const [first, second] = [bytesAt(ascii, start), bytesAt(ascii, start + 4)]
  return (first & 0xff00) === 0 && (second & 0xff00ff) === 0 && isPlain(first >> 16) && isPlain(first & 0xff)
}

const isPlain = (byte: number): boolean => (byte >= 0x20 && byte !== 0x7f) || byte === 9 || byte === 10 || byte === 13

/** Hardly a control character in it, nor one that could not be decoded. */
function isText(said: string): boolean {
  let broken = 0
  for (let at = 0; at < said.length; at++) {
    const code = said.charCodeAt(at)
    if (!isPlain(code) || code === 0xfffd) broken++
  }
  return broken <= 2 + said.length * BROKEN_SHARE_MAX
}

/** How many bytes of UTF-8 stand before each code unit. */
function bytesBefore(said: string): (index: number) => number {
  if (Buffer.byteLength(said) === said.length) return (index) => index
  const bytes = new Uint32Array(said.length + 1)
  let sum = 0
  for (let at = 0; at < said.length; at++) {
    bytes[at] = sum
    const code = said.charCodeAt(at)
    sum += code < 0x80 ? 1 : code < 0x800 || (code & 0xf800) === 0xd800 ? 2 : 3
  }
  bytes[said.length] = sum
  return (index) => bytes[index] ?? sum
}
