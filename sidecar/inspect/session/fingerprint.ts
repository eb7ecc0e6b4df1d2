/**
 * Fingerprints of values: 53 bits under a key of this process, so that nothing that was read is kept, and nobody outside
 * can find two values that share one. They serve to compare and never leave the process.
 */
const seeds = crypto.getRandomValues(new Int32Array(3))
const SEED_A = seeds[0] ?? 0
const SEED_B = seeds[1] ?? 0
/** An odd multiplier for {@link rollingOf}. */
export const ROLLING = (seeds[2] ?? 0) | 1

const mix = (hash: number): number => {
  let bits = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return bits ^ (bits >>> 16)
}

/** Of the span of a text: the same for upper and lower case, and for groups with blanks or dashes between. */
export function fingerprint(text: string, start: number, end: number, isGrouped: boolean): number {
  let a = SEED_A
  let b = SEED_B
  for (let at = start; at < end; at++) {
    let code = text.charCodeAt(at)
    if (isGrouped && (code === 32 || code === 45)) continue
    if (code >= 65 && code <= 90) code += 32
    a = Math.imul(a ^ code, 0x9e3779b1)
    a ^= a >>> 15
    b = Math.imul(b ^ code, 0x85ebca77)
    b ^= b >>> 13
  }
  return (mix(a) >>> 0) * 0x200000 + (mix(b ^ a) >>> 11)
}

/** Of a whole text as it is. */
export function exactFingerprint(text: string, start: number, end: number): number {
  let a = SEED_B
  let b = SEED_A
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at)
    a = Math.imul(a ^ code, 0x9e3779b1)
    a ^= a >>> 15
    b = Math.imul(b ^ code, 0x85ebca77)
    b ^= b >>> 13
  }
  return (mix(a) >>> 0) * 0x200000 + (mix(b ^ a) >>> 11)
}

/** A polynomial hash, which can be moved along a text character by character. */
export function rollingOf(text: string, start: number, end: number): number {
  let hash = 0
  for (let at = start; at < end; at++) hash = (Math.imul(hash, ROLLING) + text.charCodeAt(at)) | 0
  return hash
}
