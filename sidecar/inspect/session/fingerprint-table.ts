/** Smallest number of slots. */
const SLOTS_MIN = 16

/**
 * Fingerprints with a few bits each, as numbers alone: a collector of garbage has nothing to look at in it. It holds so many
 * at most, and then the oldest goes for each that comes.
 */
export class FingerprintTable {
  readonly #max: number
  readonly #keys: number[] = []
  readonly #bits: number[] = []
  /** Where a key stands, and one more, by its low bits; 0 for an empty slot. At most half of them are in use. */
  #slots: Int32Array | null = null
  /** Where the oldest stands once all places are taken. */
  #oldest = 0

  constructor(max: number) {
    this.#max = max
  }

  /** How many there are. */
  get size(): number {
    return this.#keys.length
  }

  has(key: number): boolean {
    return this.#placeOf(key) !== -1
  }

  /** Its bits; 0 for one that is not there. */
  bitsOf(key: number): number {
    const place = this.#placeOf(key)
    return place === -1 ? 0 : (this.#bits[place] ?? 0)
  }

  /** Puts a fingerprint in, or gives it these bits beside its own. @returns the one that went for it; `null` if none did */
  add(key: number, bits = 0): number | null {
    const place = this.#placeOf(key)
    if (place !== -1) {
      this.#bits[place] = (this.#bits[place] ?? 0) | bits
      return null
    }
    if (this.size < this.#max) {
      this.#keys.push(key)
      this.#bits.push(bits)
      const slots = this.#roomy()
      slots[emptySlot(slots, key)] = this.size
      return null
    }
    const gone = this.#keys[this.#oldest] ?? 0
    const slots = this.#roomy()
    this.#remove(slots, gone)
    this.#keys[this.#oldest] = key
    this.#bits[this.#oldest] = bits
    slots[emptySlot(slots, key)] = this.#oldest + 1
    this.#oldest = (this.#oldest + 1) % this.#max
    return gone
  }

  /** Tells of each fingerprint, and lets them go. */
  drain(told: (key: number) => void): void {
    for (const key of this.#keys) told(key)
    this.#keys.length = 0
    this.#bits.length = 0
    this.#slots = null
    this.#oldest = 0
  }

  /** Where it stands; -1 for nowhere. */
  #placeOf(key: number): number {
    if (this.#slots === null) return -1
    const last = this.#slots.length - 1
    for (let slot = key & last; ; slot = (slot + 1) & last) {
      const place = (this.#slots[slot] ?? 0) - 1
      if (place === -1 || this.#keys[place] === key) return place
    }
  }

  /** Slots for all keys that are there. */
  #roomy(): Int32Array {
    const known = this.#slots
    if (known !== null && known.length >= 2 * this.size) return known
    const slots = new Int32Array(known === null ? SLOTS_MIN : 2 * known.length)
    if (known !== null)
      for (const entry of known) if (entry !== 0) slots[emptySlot(slots, this.#keys[entry - 1] ?? 0)] = entry
    this.#slots = slots
    return slots
  }

  /** Takes a key out of the slots; those behind it move up, so that they are found without it. */
  #remove(slots: Int32Array, key: number): void {
    const last = slots.length - 1
    let hole = key & last
    while (this.#keys[(slots[hole] ?? 0) - 1] !== key) hole = (hole + 1) & last
    for (let slot = (hole + 1) & last; slots[slot] !== 0; slot = (slot + 1) & last) {
      const home = (this.#keys[(slots[slot] ?? 0) - 1] ?? 0) & last
      if (((slot - home) & last) < ((slot - hole) & last)) continue
      slots[hole] = slots[slot] ?? 0
      hole = slot
    }
    slots[hole] = 0
  }
}

function emptySlot(slots: Int32Array, key: number): number {
  const last = slots.length - 1
  let slot = key & last
  while (slots[slot] !== 0) slot = (slot + 1) & last
  return slot
}
