import { bytesOf, codesOf } from '../scan/units.ts'

/** Texts up to this length share an array, so that judging one leaves no garbage. */
const SHARED_CHARS = 1 << 18
const shared = Buffer.alloc(SHARED_CHARS)

/** What a text consists of. Good until the next text is asked about; the arrays may be longer than the text. */
export interface Units {
  /** Its code units, or 0 for those that are not ASCII. */
  readonly ascii: Uint8Array
  /** All of them; `null` where they are all ASCII. */
  readonly units: Uint16Array | null
}

/** Reads a text's code units. */
export function unitsOf(text: string): Units {
  const { length } = text
  if (Buffer.byteLength(text) === length) return { ascii: bytesOf(text).bytes, units: null }
  const ascii = length <= SHARED_CHARS ? shared : Buffer.allocUnsafe(length)
  const units = codesOf(text)
  ascii.write(text, 0, length, 'latin1')
  for (let at = 0; at < length; at++) if ((units[at] ?? 0) >= 0x80) ascii[at] = 0
  return { ascii, units }
}
