/** A string in the JSON text of a tool's arguments. */
export interface Leaf {
  readonly value: string
  /** The key that it stands under; of an element of an array, the array's key. `''` at the top. */
  readonly key: string
  /** Index in the array of strings that it is an element of; -1 elsewhere. */
  readonly index: number
  /** Shared by the elements of one array. */
  readonly array: number
  /** Shared by the members of one object. */
  readonly object: number
  /** Where each code unit of `value` begins in the JSON text, and where the string ends: one more than `value` has. */
  readonly offsetOf: (index: number) => number
}

const DEPTH_MAX = 64
const LEAVES_MAX = 4_096
const PLAIN_RUN = /[^"\\]*/y

/** All strings of a JSON text; the text as a single one where it is no JSON. */
export function leavesOf(json: string): readonly Leaf[] {
  const first = json.trimStart()[0]
  if (first !== '{' && first !== '[' && first !== '"') return [wholeOf(json)]
  const leaves: Leaf[] = []
  const stack: { readonly isArray: boolean; readonly key: string; readonly id: number; count: number }[] = []
  let [at, ids, key, pendingKey] = [0, 0, '', false]
  while (at < json.length && leaves.length < LEAVES_MAX) {
    const char = json[at]
    const inside = stack.at(-1)
    if (char === '{' || char === '[') {
      if (stack.length >= DEPTH_MAX) return [wholeOf(json)]
      stack.push({ isArray: char === '[', key: inside?.isArray ? inside.key : key, id: ids++, count: 0 })
      pendingKey = char === '{'
      at++
    } else if (char === '}' || char === ']') {
      stack.pop()
      at++
    } else if (char === '"') {
      const read = readString(json, at)
      if (pendingKey) {
        key = read.value
        pendingKey = false
      } else if (inside?.isArray)
        leaves.push({
          value: read.value,
          offsetOf: read.offsetOf,
          key: inside.key,
          index: inside.count++,
          array: inside.id,
          object: outerObject(stack),
        })
      else
        leaves.push({ value: read.value, offsetOf: read.offsetOf, key, index: -1, array: -1, object: inside?.id ?? -1 })
      at = read.next
    } else {
      if (char === ',' && inside && !inside.isArray) pendingKey = true
      at++
    }
  }
  return leaves
}

const outerObject = (stack: readonly { readonly isArray: boolean; readonly id: number }[]): number =>
  stack.findLast(({ isArray }) => !isArray)?.id ?? -1

const wholeOf = (text: string): Leaf => ({
  value: text,
  key: '',
  index: -1,
  array: -1,
  object: -1,
  offsetOf: (index) => index,
})

interface ReadString {
  readonly value: string
  readonly next: number
  readonly offsetOf: (index: number) => number
}

const ESCAPED: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' }

/** The string whose quote stands at `quote`; one that is not closed goes on to the end. */
function readString(json: string, quote: number): ReadString {
  let value = ''
  let at = quote + 1
  /** Pairs: from this index of the value on, this much is to be added. */
  const shifts: number[] = [0, at]
  while (at < json.length) {
    PLAIN_RUN.lastIndex = at
    const run = PLAIN_RUN.exec(json)?.[0] ?? ''
    value += run
    at += run.length
    if (json[at] !== '\\') break
    const letter = json[at + 1] ?? ''
    const hex = letter === 'u' ? json.slice(at + 2, at + 6) : ''
    const isUnicode = /^[0-9a-fA-F]{4}$/.test(hex)
    value += isUnicode ? String.fromCharCode(Number.parseInt(hex, 16)) : (ESCAPED[letter] ?? letter)
    at += isUnicode ? 6 : 2
    shifts.push(value.length, at - value.length)
  }
  const end = Math.min(at, json.length)
  return { value, next: at + 1, offsetOf: (index) => (index >= value.length ? end : index + shiftAt(shifts, index)) }
}

/** By halving: the last pair whose index is not above. */
function shiftAt(shifts: readonly number[], index: number): number {
  let [low, high] = [0, shifts.length / 2 - 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((shifts[middle * 2] ?? 0) <= index) low = middle
    else high = middle - 1
  }
  return shifts[low * 2 + 1] ?? 0
}
