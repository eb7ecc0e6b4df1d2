/** An intent without an end: how it is written, and the group that it stands in. */
export interface OpenIntent {
  readonly json: string
  readonly group: number
}

/** Slots in front of the oldest intent before the others are moved together. */
const GAP_MAX = 4_096

/**
 * Intents that are open, by their numbers, which grow. An array, since a map that is filled and emptied without end
 * makes itself anew again and again, and each of its former tables that has grown old keeps all later ones, with
 * everything that was open then, from a young collection.
 */
export class OpenIntents {
  /** By number, from `#first` on. */
  #slots: (OpenIntent | undefined)[] = []
  #first = 1
  /** Slots at the beginning that are empty. */
  #gap = 0
  /** Those whose groups went while they stayed open, and those of the last process. Few. */
  readonly #carried = new Map<number, OpenIntent>()

  add(seq: number, intent: OpenIntent): void {
    this.#slots[seq - this.#first] = intent
  }

  /** Keeps it apart, where its place among the others says nothing of its group. */
  carry(seq: number, intent: OpenIntent): void {
    this.#drop(seq)
    this.#carried.set(seq, intent)
  }

  delete(seq: number): void {
    if (!this.#carried.delete(seq)) this.#drop(seq)
  }

  /** The oldest group in which one stands that is not among these; `null` if there is none. */
  firstGroup(ended: ReadonlySet<number>): number | null {
    let first: number | null = null
    for (let at = this.#gap; at < this.#slots.length && first === null; at++) {
      const intent = this.#slots[at]
      if (intent && !ended.has(this.#first + at)) first = intent.group
    }
    for (const [seq, { group }] of this.#carried) if (!ended.has(seq)) first = Math.min(first ?? group, group)
    return first
  }

  /** Those that stand in groups up to this one. */
  *upTo(group: number): Generator<readonly [seq: number, intent: OpenIntent]> {
    for (const entry of [...this.#carried]) if (entry[1].group <= group) yield entry
    for (let at = this.#gap; at < this.#slots.length; at++) {
      const intent = this.#slots[at]
      if (intent && intent.group > group) return
      if (intent) yield [this.#first + at, intent]
    }
  }

  #drop(seq: number): void {
    const at = seq - this.#first
    // One of the last process, whose number another will have.
    if (this.#slots[at] === undefined) return
    this.#slots[at] = undefined
    while (this.#gap < this.#slots.length && this.#slots[this.#gap] === undefined) this.#gap++
    if (this.#gap < GAP_MAX) return
    this.#slots = this.#slots.slice(this.#gap)
    this.#first += this.#gap
    this.#gap = 0
  }
}
