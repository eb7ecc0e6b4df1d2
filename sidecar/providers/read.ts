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
