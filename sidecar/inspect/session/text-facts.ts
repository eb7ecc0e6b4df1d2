import type { Finding, Segment, SegmentSource } from '@agentcostcontrol/contract'
import {
  type Delegated,
  extractValues,
  findCues,
  isCued,
  isField,
  nearby,
  readAsked,
  readCall,
  type ValueKind,
  wordsNear,
} from '@agentcostcontrol/detectors'
import { fingerprint } from './fingerprint.ts'
import { promptShingles, type ShingleSet } from './prompt-shingles.ts'
import { type Fingerprinted, secretsOf } from './secret-facts.ts'

/** A value of a text, as much as is kept of it. */
export interface ValueFact {
  readonly key: number
  readonly kind: ValueKind
  /** Of an e-mail address: its organisation's domain; 0 for any other value, and for domains that anybody can have. */
  readonly domain: number
  /** It is all that its field holds. */
  readonly isField: boolean
  /** Near it the text speaks to the model that reads it. */
  readonly isCued: boolean
  /** No other of its kind stands in the text. */
  readonly isOnly: boolean
  /** Words beside it, as fingerprints. */
  readonly near: readonly number[]
}

/** What is known of one text: a function of it, its source and its verdict. */
export interface TextFacts {
  readonly source: SegmentSource
  readonly tool: string | undefined
  readonly values: readonly ValueFact[]
  readonly secrets: readonly Fingerprinted[]
  /** Personal data or a secret stands in it. */
  readonly isPrivate: boolean
  /** It speaks to the model that reads it. */
  readonly isHostile: boolean
  /** Whom a user names, or what a call is about. */
  readonly names: readonly number[]
  readonly delegated: ReadonlySet<Delegated>
  /** Of a system prompt that is worth hiding; `null` for any other text. */
  readonly prompt: ShingleSet | null
}

/** Most values that are kept of one text. */
const VALUES_MAX = 1_024
const NAMES_MAX = 512
/** Characters of a call in which what it is about is looked for. */
const CALL_CHARS_MAX = 2_000
/** Characters around a finding of an injection in which values are its own. */
const HOSTILE_REACH_CHARS = 600
const NOTHING_DELEGATED: ReadonlySet<Delegated> = new Set()
const NO_NUMBERS: readonly number[] = []
const PRIVATE_SOURCES: ReadonlySet<SegmentSource> = new Set(['user', 'system', 'tool_result'])

/** The fingerprint of a value as {@link extractValues} found it. */
export const valueKey = (text: string, kind: ValueKind, start: number, end: number): number =>
  fingerprint(text, start, end, kind === 'account')

const EVERYBODYS =
  /@(?:gmail|googlemail|outlook|hotmail|live|yahoo|icloud|proton|protonmail|pm|gmx|aol|mail|yandex|qq|163|web)\./i

function domainKey(text: string, kind: ValueKind, start: number, end: number): number {
  if (kind !== 'email') return 0
  const at = text.indexOf('@', start)
  return EVERYBODYS.test(text.slice(at, end)) ? 0 : valueKey(text, 'host', at, end)
}

/** Reads a text once. */
export function readFacts({ source, text, tool }: Segment, verdict: readonly Finding[]): TextFacts {
  const hostile = verdict.filter(isInjection)
  const isResult = source === 'tool_result'
  const cues = isResult ? findCues(text) : NO_NUMBERS
  const secrets = PRIVATE_SOURCES.has(source) ? secretsOf(text, verdict) : []
  const names = new Set<number>()
  const delegated = source === 'user' ? readAsked(text, adding(names)) : NOTHING_DELEGATED
  if (source === 'tool_call') wordsNear(text, 0, Math.min(text.length, CALL_CHARS_MAX), adding(names))
  return {
    source,
    tool,
    values:
      source === 'tool_call'
        ? callValues(text, tool)
        : isResult
          ? resultValues(text, cues, hostile)
          : plainValues(text),
    secrets,
    isPrivate: secrets.length > 0 || (PRIVATE_SOURCES.has(source) && verdict.some(isPersonal)),
    isHostile: isResult && (cues.length > 0 || hostile.length > 0),
    names: [...names],
    delegated,
    prompt: source === 'system' ? promptShingles(text) : null,
  }
}

const isInjection = ({ detectorId, severity }: Finding): boolean =>
  (detectorId === 'prompt-injection' || detectorId === 'jailbreak') && severity !== 'low'

const isPersonal = ({ detectorId, severity }: Finding): boolean =>
  detectorId === 'secrets' || (detectorId === 'pii' && severity !== 'low')

/** Adds the fingerprints of the words that it is told of. */
const adding =
  (names: Set<number>) =>
  (text: string, start: number, end: number): void => {
    if (names.size < NAMES_MAX) names.add(fingerprint(text, start, end, false))
  }

/** Where a value stands does not matter for text of the user, the system and the model. */
function plainValues(text: string): readonly ValueFact[] {
  const values = new Map<number, ValueFact>()
  extractValues(text, (kind, start, end) => {
    if (values.size >= VALUES_MAX) return
    const key = valueKey(text, kind, start, end)
    if (!values.has(key))
      values.set(key, {
        key,
        kind,
        domain: domainKey(text, kind, start, end),
        isField: false,
        isCued: false,
        isOnly: false,
        near: NO_NUMBERS,
      })
  })
  return [...values.values()]
}

const callValues = (text: string, tool: string | undefined): readonly ValueFact[] =>
  readCall(text, tool).arguments.flatMap((argument) => plainValues(argument.text))

/** What a value competes with: an order's number is not an account as an IBAN is. */
const shapeOf = (text: string, kind: ValueKind, start: number): string =>
  kind === 'account' && text.charCodeAt(start) >= 65 ? 'iban' : kind

function namesNear(text: string, start: number, end: number): readonly number[] {
  const names = new Set<number>()
  const [from, to] = nearby(text, start, end)
  wordsNear(text, from, to, adding(names))
  return [...names]
}

function resultValues(text: string, cues: readonly number[], hostile: readonly Finding[]): readonly ValueFact[] {
  const values = new Map<number, ValueFact>()
  const shapes = new Map<number, string>()
  const counts = new Map<string, number>()
  extractValues(text, (kind, start, end) => {
    if (values.size >= VALUES_MAX) return
    const key = valueKey(text, kind, start, end)
    const before = values.get(key)
    const shape = shapeOf(text, kind, start)
    if (!before) counts.set(shape, (counts.get(shape) ?? 0) + 1)
    shapes.set(key, shape)
    const cued =
      isCued(cues, start, end) ||
      hostile.some((one) => start < one.end + HOSTILE_REACH_CHARS && end > one.start - HOSTILE_REACH_CHARS)
    const near = kind === 'path' ? NO_NUMBERS : namesNear(text, start, end)
    values.set(key, {
      key,
      kind,
      domain: domainKey(text, kind, start, end),
      isField: isField(text, start, end) || before?.isField === true,
      isCued: cued || before?.isCued === true,
      isOnly: false,
      near: before ? [...new Set([...before.near, ...near])].slice(0, NAMES_MAX) : near,
    })
  })
  return [...values.values()].map((value) =>
    counts.get(shapes.get(value.key) ?? '') === 1 ? { ...value, isOnly: true } : value,
  )
}
