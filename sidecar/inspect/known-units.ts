import type { Segment } from '@agentcostcontrol/contract'
import type { Conversation } from '../providers/kept-heads.ts'
import type { SeenUnit } from './session/session-request.ts'
import { keyOf, type Unit, unitsOf } from './units.ts'
import type { VerdictKey } from './verdict-cache.ts'

/** A unit, and where its verdicts are kept; `null` for nowhere. */
export interface KeyedUnit {
  readonly unit: Unit
  readonly key: VerdictKey | null
  readonly seen: SeenUnit
}

/** Units of the last request of a conversation. */
interface Known {
  readonly scope: string
  readonly segments: readonly Segment[]
  readonly units: readonly KeyedUnit[]
}

/** Hashes of a conversation are not made again as long as its texts are the same: a look at each tells. */
export class KnownUnits {
  readonly #known = new WeakMap<Conversation, Known>()

  /** The units of a request or an answer with their keys. @param conversation what they are kept by; `null` for nothing */
  keyed(segments: readonly Segment[], scope: string, conversation: Conversation | null): readonly KeyedUnit[] {
    const units = unitsOf(segments)
    if (conversation === null) return units.map((unit) => keyedUnit(unit, segments, scope))
    const known = this.#known.get(conversation)
    const before = known?.scope === scope ? known : null
    const keyed = units.map((unit, index) => {
      const there = before && sameUnit(before, units.length, index, unit, segments)
      if (there && isAtSamePlaces(there.unit, unit)) return there
      if (!there) return keyedUnit(unit, segments, scope)
      return { unit, key: there.key, seen: { at: unit.at, key: there.seen.key } }
    })
    // Always by the last texts: the next request has the same ones, not others that read the same and are kept beside them.
    this.#known.set(conversation, { scope, segments, units: keyed })
    return keyed
  }
}

function keyedUnit(unit: Unit, segments: readonly Segment[], scope: string): KeyedUnit {
  const key = keyOf(unit, segments, scope)
  return { unit, key, seen: { at: unit.at, key: key && key.scope + key.digest } }
}

/** The same unit among those before: at its place from the front, or, of what stands behind the messages, from the end. */
function sameUnit(
  { units, segments: before }: Known,
  count: number,
  index: number,
  unit: Unit,
  segments: readonly Segment[],
): KeyedUnit | null {
  for (const there of [units[index], units[index + units.length - count]])
    if (there && isSame(there.unit, before, unit, segments)) return there
  return null
}

const isAtSamePlaces = (one: Unit, other: Unit): boolean => one.at.every((at, index) => at === other.at[index])

function isSame(one: Unit, ofOne: readonly Segment[], other: Unit, ofOther: readonly Segment[]): boolean {
  if (one.chars !== other.chars || one.at.length !== other.at.length) return false
  return one.at.every((at, index) => {
    const [a, b] = [ofOne[at], ofOther[other.at[index] ?? 0]]
    return a?.text === b?.text && a?.source === b?.source && a?.tool === b?.tool && a?.decoded === b?.decoded
  })
}
