/** How long a beginning of a keyword can be that ends with these two characters; longest first. */
export type LengthsByEnd = readonly (readonly number[] | undefined)[]

/** Where in {@link LengthsByEnd} two characters of ASCII stand. */
export const endKey = (first: number, second: number): number => first * 128 + second

/** Sorts the beginnings of at least two characters by their last two. @param keywords in ASCII; those in any case in lower case */
export function lengthsByEnd(
  keywords: readonly { readonly text: string; readonly ignoreCase: boolean }[],
): LengthsByEnd {
  const lengths = new Map<number, Set<number>>()
  for (const { text, ignoreCase } of keywords)
    for (let length = 2; length <= text.length; length++)
      for (const first of casesOf(text.charCodeAt(length - 2), ignoreCase))
        for (const second of casesOf(text.charCodeAt(length - 1), ignoreCase)) {
          const key = endKey(first, second)
          lengths.set(key, (lengths.get(key) ?? new Set()).add(length))
        }
  const table: (readonly number[] | undefined)[] = new Array(128 * 128)
  for (const [key, found] of lengths) table[key] = [...found].toSorted((a, b) => b - a)
  return table
}

const casesOf = (code: number, ignoreCase: boolean): readonly number[] =>
  ignoreCase && code >= 97 && code <= 122 ? [code, code - 32] : [code]
