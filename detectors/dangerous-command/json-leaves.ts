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
  /** Where a stretch of `value` stands in the JSON text; of one that goes beyond its string, the part within. */
  readonly spanOf: (start: number, end: number) => Span
}

interface Span {
  readonly start: number
  readonly end: number
}

const DEPTH_MAX = 64
/** Strings beyond are read together, those of each key as the lines of one text. */
const LEAVES_MAX = 4_096
const REST_KEYS_MAX = 256
const PLAIN_RUN = /[^"\\]*/y

interface Level {
  readonly isArray: boolean
  readonly key: string
  readonly id: number
  count: number
}

/** All strings of a JSON text that say something; the text as a single one where it is no JSON. */
export function leavesOf(json: string): readonly Leaf[] {
  const first = json.trimStart()[0]
  if (first !== '{' && first !== '[' && first !== '"') return [wholeOf(json)]
  const leaves: Leaf[] = []
  const rest = new Map<string, Lines>()
  const stack: Level[] = []
  // Below the deepest level that is told apart, all strings are that level's.
  let [at, ids, key, pendingKey, deeper] = [0, 0, '', false, 0]
  while (at < json.length) {
    const char = json[at]
    const inside = stack.at(-1)
    if (char === '{' || char === '[') {
      if (stack.length >= DEPTH_MAX) deeper++
      else {
        stack.push({ isArray: char === '[', key: inside?.isArray ? inside.key : key, id: ids++, count: 0 })
        pendingKey = char === '{'
      }
      at++
    } else if (char === '}' || char === ']') {
      if (deeper > 0) deeper--
      else stack.pop()
      at++
    } else if (char === '"') {
      const read = readString(json, at)
      at = read.next
      if (pendingKey && deeper === 0) {
        key = read.value
        pendingKey = false
        continue
      }
      const index = inside?.isArray ? inside.count++ : -1
      const leafKey = inside?.isArray ? inside.key : key
      // Thousands of empty strings must not stand before what is to be read.
      if (read.value === '') continue
      if (leaves.length >= LEAVES_MAX) addLine(rest, leafKey, read)
      else if (inside?.isArray) leaves.push(leafOf(read, leafKey, index, inside.id, outerObject(stack)))
      else leaves.push(leafOf(read, leafKey, index, -1, inside?.id ?? -1))
    } else {
      if (char === ',' && inside && !inside.isArray && deeper === 0) pendingKey = true
      at++
    }
  }
  for (const [restKey, lines] of rest) leaves.push({ ...lines.leaf(ids++), key: restKey })
  return leaves
}

function addLine(rest: Map<string, Lines>, key: string, read: ReadString): void {
  const own = rest.has(key) || rest.size < REST_KEYS_MAX ? key : ''
  const lines = rest.get(own) ?? new Lines()
  rest.set(own, lines)
  lines.add(read)
}

const outerObject = (stack: readonly { readonly isArray: boolean; readonly id: number }[]): number =>
  stack.findLast(({ isArray }) => !isArray)?.id ?? -1

const wholeOf = (text: string): Leaf => ({
  value: text,
  key: '',
  index: -1,
  array: -1,
  object: -1,
  spanOf: (start, end) => ({ start, end }),
})

const leafOf = ({ value, shifts }: ReadString, key: string, index: number, array: number, object: number): Leaf => ({
  value,
  key,
  index,
  array,
  object,
  spanOf: (start, end) => ({ start: shifted(shifts, start), end: shifted(shifts, end) }),
})

/** Strings as the lines of one text. */
class Lines {
  #text = ''
  readonly #starts: number[] = []
  readonly #shifts: number[] = []

  add({ value, shifts }: ReadString): void {
    if (this.#starts.length > 0) this.#text += '\n'
    const start = this.#text.length
    this.#starts.push(start)
    for (let at = 0; at < shifts.length; at += 2)
      this.#shifts.push((shifts[at] ?? 0) + start, (shifts[at + 1] ?? 0) - start)
    this.#text += value
  }

  leaf(object: number): Leaf {
    const [value, starts, shifts] = [this.#text, this.#starts, this.#shifts]
    const spanOf = (start: number, end: number): Span => {
      const next = starts[lastNotAbove(starts, start, 1) + 1]
      const last = next === undefined ? value.length : next - 1
      return { start: shifted(shifts, start), end: shifted(shifts, Math.min(end, last)) }
    }
    return { value, key: '', index: -1, array: -1, object, spanOf }
  }
}

interface ReadString {
  readonly value: string
  readonly next: number
  /** Pairs: from this index of the value on, this much is to be added for the offset in the JSON text. */
  readonly shifts: readonly number[]
}

const ESCAPED: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' }

/** The string whose quote stands at `quote`; one that is not closed goes on to the end. */
function readString(json: string, quote: number): ReadString {
  let value = ''
  let at = quote + 1
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
  // An escape at the very end may be cut off.
  if (at > json.length) shifts.push(value.length, json.length - value.length)
  return { value, next: at + 1, shifts }
}

const shifted = (shifts: readonly number[], index: number): number =>
  index + (shifts[lastNotAbove(shifts, index, 2) * 2 + 1] ?? 0)

/** By halving: the last of every `step`th number that is not above another. */
function lastNotAbove(numbers: readonly number[], value: number, step: number): number {
  let [low, high] = [0, numbers.length / step - 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((numbers[middle * step] ?? 0) <= value) low = middle
    else high = middle - 1
  }
  return low
}
