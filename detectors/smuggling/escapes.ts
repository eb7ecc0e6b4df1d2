/** Text written in escapes: of URLs, of HTML, and of programs. */
import { type Piece, Rewriter, type Way } from './decoded.ts'

interface EscapeKind {
  readonly way: Way
  /** The sign without which there is none. */
  readonly sign: string
  /** Texts with which one may begin. */
  readonly leads: readonly string[]
  /** A stretch of at least four, bounded; the next one follows it. Nothing in it can be read in two ways: trying them takes time. */
  readonly stretch: RegExp
  readonly one: RegExp
  readonly decode: (match: RegExpExecArray) => string
  /** Whether what is escaped is more than what has to be. */
  readonly isOdd: (stretch: string) => boolean
}

/** A token goes on before its first escape. */
const BEFORE_CHARS = 64
const TOKEN_END = /[\s"'<>]/
const ODD_MIN = 4
const NAMED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'", nbsp: ' ' }

const point = (digits: string | undefined, radix: number): string => {
  const code = Number.parseInt(digits ?? '', radix)
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : ''
}

const many =
  (pattern: RegExp) =>
  (stretch: string): boolean =>
    (stretch.match(pattern)?.length ?? 0) >= ODD_MIN

const KINDS: readonly EscapeKind[] = [
  {
    way: 'url',
    sign: '%',
    leads: ['%'],
    stretch: /(?:%[0-9a-fA-F]{2}[^\s"'<>%]{0,48}){4,1024}/y,
    one: /%([0-9a-fA-F]{2})|\+/g,
    decode: ([, hex]) => (hex === undefined ? ' ' : point(hex, 16)),
    // Letters, which nobody needs to escape, or words of a sentence.
    isOdd: many(/%(?:4[1-9a-f]|5[0-9a]|6[1-9a-f]|7[0-9a]|20)/gi),
  },
  {
    way: 'html-entities',
    sign: '&',
    leads: ['&#'],
    stretch: /(?:&(?:#x[0-9a-fA-F]{1,6}(?![0-9a-fA-F])|#\d{1,7}(?!\d)|[a-z]{2,4}(?![a-z]));?[^&]{0,16}){4,1024}/y,
    one: /&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|(lt|gt|amp|quot|apos|nbsp));?/g,
    decode: ([, hex, decimal, name]) =>
      hex !== undefined ? point(hex, 16) : decimal !== undefined ? point(decimal, 10) : (NAMED[name ?? ''] ?? ''),
    isOdd: many(/&#(?:x(?:4[1-9a-f]|5[0-9a]|6[1-9a-f]|7[0-9a])|0{0,3}(?:6[5-9]|[78]\d|90|9[7-9]|1[01]\d|12[0-2]));?/gi),
  },
  {
    way: 'escapes',
    sign: '\\',
    leads: ['\\u00', '\\x', '\\u{'],
    stretch: /(?:\\(?:u00[0-9a-fA-F]{2}|x[0-9a-fA-F]{2}|u\{[0-9a-fA-F]{1,6}\})[^\\]{0,16}){4,1024}/y,
    one: /\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))/g,
    decode: ([, braced, four, two]) => point(braced ?? four ?? two, 16),
    isOdd: many(/\\(?:u00|x|u\{(?:00)?)(?:4[1-9a-f]|5[0-9a]|6[1-9a-f]|7[0-9a])/gi),
  },
]

/** Every stretch with more escapes than it needs, decoded, until `charsMax` came out. */
export function escapesIn(text: string, charsMax: number): readonly Piece[] {
  const pieces: Piece[] = []
  let left = charsMax
  for (const kind of KINDS) {
    if (!text.includes(kind.sign)) continue
    for (const lead of kind.leads) {
      for (let at = text.indexOf(lead); at !== -1 && left > 0; ) {
        kind.stretch.lastIndex = at
        const stretch = kind.stretch.exec(text)?.[0]
        if (stretch !== undefined && kind.isOdd(stretch)) {
          const piece = pieceOf(kind, text, at, at + stretch.length)
          left -= piece.decoded.text.length
          pieces.push(piece)
        }
        at = text.indexOf(lead, at + (stretch?.length ?? lead.length))
      }
    }
  }
  return pieces
}

function pieceOf({ way, one, decode }: EscapeKind, text: string, from: number, end: number): Piece {
  let start = from
  while (start > Math.max(0, from - BEFORE_CHARS) && !TOKEN_END.test(text[start - 1] ?? '')) start--
  const rewriter = new Rewriter()
  let copied = start
  const stretch = text.slice(start, end)
  for (const match of stretch.matchAll(one)) {
    const at = start + match.index
    rewriter.copy(text.slice(copied, at), copied)
    copied = at + match[0].length
    rewriter.put(decode(match), at, copied)
  }
  rewriter.copy(text.slice(copied, end), copied)
  return { way, start, end, decoded: rewriter.done() }
}
