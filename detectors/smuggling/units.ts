/** The code units of a text as numbers: a loop over an array looks at them faster than one over a string. */

/** Texts up to this length share two arrays, so that judging one leaves no garbage. */
const SHARED_CHARS = 1 << 18
const sharedAscii = Buffer.alloc(SHARED_CHARS)
const sharedUnits = new Uint16Array(SHARED_CHARS)
const sharedBytes = Buffer.from(sharedUnits.buffer)

/** What a text consists of. Good until the next text is asked about; the arrays may be longer than the text. */
export interface Units {
  /** Its code units, or 0 for those that are not ASCII. */
  readonly ascii: Uint8Array
  /** All of them; `null` where they are all ASCII. */
  readonly units: Uint16Array | null
}

const ONLY_ASCII: Units = { ascii: sharedAscii, units: null }

/** Reads a text's code units. */
export function unitsOf(text: string): Units {
  const isShared = text.length <= SHARED_CHARS
  const ascii = isShared ? sharedAscii : Buffer.allocUnsafe(text.length)
  ascii.write(text, 0, text.length, 'latin1')
  if (Buffer.byteLength(text) === text.length) return isShared ? ONLY_ASCII : { ascii, units: null }
  const bytes = isShared ? sharedBytes : Buffer.from(new ArrayBuffer(text.length * 2))
  bytes.write(text, 0, text.length * 2, 'utf16le')
  const units = isShared ? sharedUnits : new Uint16Array(bytes.buffer)
  for (let at = 0; at < text.length; at++) if ((units[at] ?? 0) >= 0x80) ascii[at] = 0
  return { ascii, units }
}
