/** What a text is made of: runs of words, each by a short hash with its characters. */
export type Pieces = ReadonlyMap<number, number>

/** Two definitions that share less are alike by accident. */
const SHARED_CHARS_MIN = 40
/** How much of what a definition said another one says as well, if it is that one under a new name. */
const SHARED_PART_MIN = 0.75
/** Most words of a piece. */
const WORDS_MAX = 6
/** A piece ends behind every second word or so, chosen by the word: what is put in between moves no other end. */
const ENDS_MASK = 1

/** Adds the pieces of a text. */
export function addPieces(into: Map<number, number>, text: string): void {
  let bits = SEED
  let words = 0
  let chars = 0
  const end = (): void => {
    if (words > 0) into.set((bits ^ (bits >>> 15)) & 0x3fffffff, chars)
    bits = SEED
    words = 0
    chars = 0
  }
  for (const [word] of text.toLowerCase().matchAll(WORD)) {
    let own = SEED
    for (let at = 0; at < word.length; at++) own = Math.imul(own ^ word.charCodeAt(at), PRIME)
    own ^= own >>> 13
    bits = Math.imul(bits ^ own, PRIME)
    words++
    chars += word.length
    if ((own & ENDS_MASK) === 0 || words === WORDS_MAX) end()
  }
  end()
}

const WORD = /[\p{L}\p{M}\p{N}]+/gu
const SEED = 0x811c9dc5
const PRIME = 0x01000193

/** The text of a definition: what it says of the tool itself, and all the rest. */
export interface DefinitionText {
  readonly description: Pieces
  readonly pieces: Pieces
}

/** A definition that says nothing of itself is told from others by the rest alone. */
const DESCRIPTION_CHARS_MIN = 20
/** How much of what was said of the tool itself must be there: tools of one family have all the rest in common. */
const DESCRIPTION_PART_MIN = 0.5

interface Holder {
  readonly at: number
  readonly isDescription: boolean
}

interface Size {
  readonly chars: number
  readonly descriptionChars: number
}

/** Finds those of some definitions that say most of what another one says. */
export class LikenessIndex {
  readonly #sizes: readonly Size[]
  readonly #holders = new Map<number, Holder[]>()

  constructor(definitions: readonly DefinitionText[]) {
    this.#sizes = definitions.map(({ description, pieces }, at) => {
      const descriptionChars = this.#hold(description, { at, isDescription: true })
      return { chars: descriptionChars + this.#hold(pieces, { at, isDescription: false }), descriptionChars }
    })
  }

  /** Which of them a definition says most of; -1 where it is like none. Costs what its pieces are shared by. */
  find({ description, pieces }: DefinitionText): number {
    const shared = new Map<number, { chars: number; descriptionChars: number }>()
    for (const [piece, chars] of new Map([...pieces, ...description])) {
      for (const { at, isDescription } of this.#holders.get(piece) ?? []) {
        const sum = shared.get(at) ?? { chars: 0, descriptionChars: 0 }
        sum.chars += chars
        if (isDescription) sum.descriptionChars += chars
        shared.set(at, sum)
      }
    }
    let best = -1
    let most = 0
    for (const [at, sum] of shared) {
      const size = this.#sizes[at]
      if (!size || !isLike(sum, size) || sum.chars / size.chars <= most) continue
      best = at
      most = sum.chars / size.chars
    }
    return best
  }

  #hold(pieces: Pieces, holder: Holder): number {
    let sum = 0
    for (const [piece, chars] of pieces) {
      sum += chars
      const holders = this.#holders.get(piece)
      if (holders) holders.push(holder)
      else this.#holders.set(piece, [holder])
    }
    return sum
  }
}

const isLike = (shared: Size, { chars, descriptionChars }: Size): boolean =>
  shared.chars >= SHARED_CHARS_MIN &&
  shared.chars >= SHARED_PART_MIN * chars &&
  (descriptionChars < DESCRIPTION_CHARS_MIN || shared.descriptionChars >= DESCRIPTION_PART_MIN * descriptionChars)
