/** Text that depends on a seed alone. */
const WORDS = (
  'the agent reads a short report and finds three numbers that matter it adds them up then it writes a note to the team ' +
  'about cost time and risk nothing here was thought by a model every word comes from a list chosen by a seed'
).split(' ')

/** A small generator of numbers in [0, 1) (mulberry32, public domain). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** A seed for a text, so that the same request gets the same answer. */
export function seedOf(text: string, seed: number): number {
  let hash = (seed ^ 0x811c9dc5) >>> 0
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0
  return hash
}

/** Prose of about `words` words. */
export function prose(words: number, random: () => number): string {
  const out: string[] = []
  for (let at = 0; at < words; at++) out.push(WORDS[Math.floor(random() * WORDS.length)] ?? 'word')
  return out.join(' ')
}

/** A value that satisfies a JSON schema of the simple kinds: objects, arrays, enums, strings, numbers, booleans, null. */
export function exampleOf(schema: unknown, random: () => number): unknown {
  if (typeof schema !== 'object' || schema === null) return null
  const { type, properties, items, enum: choices, const: fixed, anyOf } = schema as Record<string, unknown>
  if (fixed !== undefined) return fixed
  if (Array.isArray(choices)) return choices[Math.floor(random() * choices.length)]
  if (Array.isArray(anyOf)) return exampleOf(anyOf[0], random)
  switch (Array.isArray(type) ? type[0] : type) {
    case 'object':
      return Object.fromEntries(Object.entries(properties ?? {}).map(([key, value]) => [key, exampleOf(value, random)]))
    case 'array':
      return [exampleOf(items, random)]
    case 'integer':
      return Math.floor(random() * 100)
    case 'number':
      return Math.round(random() * 1000) / 10
    case 'boolean':
      return random() < 0.5
    case 'null':
      return null
    default:
      return prose(2, random)
  }
}
