/** Careful readers of parsed JSON whose shape nobody vouches for. */

/** A JSON object, not an array and not `null`. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The value if it is a string that is not empty, else `null`. */
export const readString = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null)

/** The value if it is an array, else an empty one. */
export const readArray = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** The value if it is a positive integer, else `null`. */
export const readPositiveInteger = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : null

/** More than any model reads or writes: such a figure is no report. */
const TOKENS_MAX = 1_000_000_000

/** A number of tokens or calls in a usage report: absent is zero, `null` if it makes no sense. */
export const readCount = (value: unknown): number | null =>
  value === undefined || value === null
    ? 0
    : typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= TOKENS_MAX
      ? value
      : null

/**
 * How many keys all objects in a value have together; `null` if objects and arrays are nested deeper than so many levels.
 * Costs a twentieth of parsing. @param slashed gets the keys that hold a backslash
 */
export function keysWithin(levels: number, value: unknown, slashed: string[]): number | null {
  if (typeof value !== 'object' || value === null) return 0
  if (levels === 0) return null
  let keys = 0
  if (Array.isArray(value)) {
    for (const item of value) {
      const below = keysWithin(levels - 1, item, slashed)
      if (below === null) return null
      keys += below
    }
    return keys
  }
  for (const key in value) {
    if (key.includes('\\')) slashed.push(key)
    const below = keysWithin(levels - 1, Reflect.get(value, key), slashed)
    if (below === null) return null
    keys += 1 + below
  }
  return keys
}

type Path = readonly (string | number)[]

/** Every string below a value, with where it stands. */
export function stringsIn(value: unknown, path: Path): readonly { readonly text: string; readonly path: Path }[] {
  if (typeof value === 'string') return value === '' ? [] : [{ text: value, path }]
  if (Array.isArray(value)) return value.flatMap((element, at) => stringsIn(element, [...path, at]))
  return isRecord(value) ? Object.keys(value).flatMap((key) => stringsIn(value[key], [...path, key])) : []
}
