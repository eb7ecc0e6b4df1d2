/**
 * The subset of regular expressions that rules may use, parsed so that three things follow from the text of a pattern
 * and from nothing else: that it cannot run away, how long a match can be, and what the beginning of a match looks
 * like (for streams). Allowed: literals, escapes, classes, groups, alternation, and quantifiers with an upper bound of
 * which none stands inside another that varies. Not allowed: `*`, `+`, `{n,}`, `.`, look-around, back references.
 */

/** One element of a pattern: a single character of some kind, or a group of alternatives. */
export type PatternNode =
  | { readonly kind: 'char'; readonly source: string; readonly min: number; readonly max: number }
  | {
      readonly kind: 'group'
      readonly capture: boolean
      readonly alternatives: readonly PatternSequence[]
      readonly min: number
      readonly max: number
    }

/** Elements one behind the other. */
export type PatternSequence = readonly PatternNode[]

/** A parsed pattern. */
export interface Pattern {
  readonly alternatives: readonly PatternSequence[]
  /** The most characters that a match can have. */
  readonly charsMax: number
}

/** Thrown for a pattern outside the subset; rules are data of this package, so it is a fault of ours. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
}

const ESCAPES = new Set('dws.-/\\+*?()[]{}|^$~\'"'.split(''))
const PLAIN = /[A-Za-z0-9_\-=:;,@/#%&~!<>"'` ]/
const COUNT = /\{(\d{1,5})(?:(,)(\d{1,5})?)?\}/y

/** Parses a pattern. @throws PatternError with the offset of what it may not contain. */
export function parsePattern(source: string): Pattern {
  let at = 0
  const fail = (what: string): never => {
    throw new PatternError(`${what} at ${at} of ${source}`)
  }

  const alternation = (): PatternSequence[] => {
    const alternatives = [sequence()]
    while (source[at] === '|') {
      at++
      alternatives.push(sequence())
    }
    return alternatives
  }

  const sequence = (): PatternNode[] => {
    const nodes: PatternNode[] = []
    while (at < source.length && source[at] !== '|' && source[at] !== ')') nodes.push(quantified(atom()))
    return nodes
  }

  const atom = (): PatternNode => {
    const char = source[at] ?? ''
    if (char === '(') return group()
    const start = at
    if (char === '[') {
      at++
      while (source[at] !== ']') at += source[at] === '\\' ? 2 : at < source.length ? 1 : fail('an open class')
      at++
    } else if (char === '\\') {
      if (!ESCAPES.has(source[at + 1] ?? '')) fail('an unknown escape')
      at += 2
    } else if (PLAIN.test(char)) {
      at++
    } else {
      fail(`"${char}"`)
    }
    return { kind: 'char', source: source.slice(start, at), min: 1, max: 1 }
  }

  const group = (): PatternNode => {
    const capture = source[at + 1] !== '?'
    if (!capture && source[at + 2] !== ':') fail('a look-around or named group')
    at += capture ? 1 : 3
    const alternatives = alternation()
    if (source[at] !== ')') fail('an open group')
    at++
    return { kind: 'group', capture, alternatives, min: 1, max: 1 }
  }

  const quantified = (node: PatternNode): PatternNode => {
    const char = source[at] ?? ''
    let [min, max] = [1, 1]
    if (char === '?') {
      at++
      min = 0
    } else if (char === '{') {
      COUNT.lastIndex = at
      const match = COUNT.exec(source)
      if (!match || (match[2] !== undefined && match[3] === undefined)) return fail('a quantifier without a bound')
      at = COUNT.lastIndex
      min = Number(match[1])
      max = Number(match[3] ?? match[1])
    } else if (char === '*' || char === '+') {
      fail('a quantifier without a bound')
    }
    if (node.kind === 'group' && max > 1 && node.alternatives.some((one) => one.some(varies))) {
      fail('a quantifier over something of varying length')
    }
    return { ...node, min, max }
  }

  const alternatives = alternation()
  if (at < source.length) fail(`"${source[at]}"`)
  return { alternatives, charsMax: Math.max(...alternatives.map(sequenceCharsMax)) }
}

function varies(node: PatternNode): boolean {
  return node.min !== node.max || (node.kind === 'group' && node.alternatives.some((one) => one.some(varies)))
}

function sequenceCharsMax(sequence: PatternSequence): number {
  return sequence.reduce((sum, node) => {
    return sum + node.max * (node.kind === 'char' ? 1 : Math.max(...node.alternatives.map(sequenceCharsMax)))
  }, 0)
}

/** The pattern as a regular expression: what was parsed, written again. */
export function fullSource(pattern: Pattern): string {
  return alternativesSource(pattern.alternatives, (node) => {
    const body =
      node.kind === 'char'
        ? node.source
        : `${node.capture ? '(' : '(?:'}${fullSource({ alternatives: node.alternatives, charsMax: 0 })})`
    return body + count(node.min, node.max)
  })
}

/**
 * A regular expression for every beginning of a match that reaches the end of the text, the whole match included:
 * each element may be replaced by the end of the text, behind which all others match nothing.
 */
export function beginningSource(pattern: Pattern): string {
  return `(?:${beginning(pattern.alternatives)})$`
}

function beginning(alternatives: readonly PatternSequence[]): string {
  return alternativesSource(alternatives, (node) => {
    const { min, max } = node
    if (node.kind === 'char') {
      if (min === 0) return node.source + count(0, max)
      return `(?:${node.source}${count(min, max)}|${min === 1 ? '' : node.source + count(0, min - 1)}$)`
    }
    const whole = `(?:${fullSource({ alternatives: withoutCaptures(node.alternatives), charsMax: 0 })})`
    const part = `${max === 1 ? '' : whole + count(0, max - 1)}(?:${beginning(node.alternatives)})$`
    return `(?:${whole}${count(min, max)}|${part})`
  })
}

function withoutCaptures(alternatives: readonly PatternSequence[]): PatternSequence[] {
  return alternatives.map((sequence) =>
    sequence.map((node) =>
      node.kind === 'char' ? node : { ...node, capture: false, alternatives: withoutCaptures(node.alternatives) },
    ),
  )
}

function alternativesSource(alternatives: readonly PatternSequence[], write: (node: PatternNode) => string): string {
  return alternatives.map((sequence) => sequence.map(write).join('')).join('|')
}

function count(min: number, max: number): string {
  if (min === 1 && max === 1) return ''
  if (min === 0 && max === 1) return '?'
  return min === max ? `{${min}}` : `{${min},${max}}`
}

/**
 * The bytes that can stand at the places `from` to `from + count - 1` of a match, place by place (a code unit above
 * 255 counts as its low byte, so all bytes from 128 on do as soon as one non-ASCII character fits).
 */
export function bytesAt(
  pattern: Pattern,
  from: number,
  count: number,
  ignoreCase: boolean,
): readonly (readonly number[])[] {
  // Behind the end of a match anything can stand.
  return placesAt(pattern, from, count, ignoreCase).map(({ bytes, mayEnd }) => (mayEnd ? ANY_BYTE : bytes))
}

/** What can stand at a place of a match. */
export interface PatternPlace {
  readonly bytes: readonly number[]
  /** Whether a match can end before it. */
  readonly mayEnd: boolean
}

/** The same with the bytes of matches that go on, also where others have ended. */
export function placesAt(pattern: Pattern, from: number, count: number, ignoreCase: boolean): readonly PatternPlace[] {
  const places = Array.from({ length: count }, () => new Set<number>())
  const reached = Array.from({ length: from + count + 1 }, () => false)
  reached[0] = true
  const ends = walk(pattern.alternatives, reached)
  return places.map((bytes, place) => ({
    bytes: [...bytes],
    mayEnd: ends.slice(0, from + place + 1).includes(true),
  }))

  function walk(alternatives: readonly PatternSequence[], starts: boolean[]): boolean[] {
    const ends = starts.map(() => false)
    for (const sequence of alternatives) {
      let at = [...starts]
      for (const node of sequence) at = repeat(node, at)
      at.forEach((end, place) => {
        if (end) ends[place] = true
      })
    }
    return ends
  }

  function repeat(node: PatternNode, starts: boolean[]): boolean[] {
    const ends = node.min === 0 ? [...starts] : starts.map(() => false)
    let at = starts
    for (let times = 1; times <= node.max && at.includes(true); times++) {
      at = node.kind === 'char' ? step(node.source, at) : walk(node.alternatives, at)
      if (times < node.min) continue
      at.forEach((end, place) => {
        if (end) ends[place] = true
      })
    }
    return ends
  }

  function step(source: string, starts: readonly boolean[]): boolean[] {
    const bytes = bytesOf(source, ignoreCase)
    starts.forEach((start, place) => {
      if (start && place >= from) for (const byte of bytes) places[place - from]?.add(byte)
    })
    return [false, ...starts.slice(0, -1)]
  }
}

const bytesOfSource = { exact: new Map<string, readonly number[]>(), ignoreCase: new Map<string, readonly number[]>() }

/** Asked for the same few classes again and again while rules are compiled. */
function bytesOf(source: string, ignoreCase: boolean): readonly number[] {
  const known = bytesOfSource[ignoreCase ? 'ignoreCase' : 'exact']
  let bytes = known.get(source)
  if (!bytes) {
    const char = new RegExp(`^${source}$`, ignoreCase ? 'i' : '')
    const beyond = char.test('\u4e00')
    bytes = ANY_BYTE.filter((byte) => (byte < 128 ? char.test(ASCII[byte] ?? '') : beyond))
    known.set(source, bytes)
  }
  return bytes
}

const ANY_BYTE: readonly number[] = Array.from({ length: 256 }, (_, byte) => byte)
const ASCII: readonly string[] = Array.from({ length: 128 }, (_, byte) => String.fromCharCode(byte))
