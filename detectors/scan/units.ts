/**
 * The code units of a text as numbers: a loop over an array looks at them faster than one over a string, and always as
 * fast, whatever a string is made of. Copied once for all that look at the same text in turn.
 */

/** Texts up to this length share an array, so that judging one leaves no garbage; the copy of a longer one is not kept. */
const SHARED_CHARS = 1 << 18
/** Behind the last one, so that whoever looks at what follows need not ask whether the text ends. */
const ZEROS = 4

interface TextCodes {
  readonly codes: Uint16Array
  readonly bytes: Buffer
}

const codesFor = (chars: number): TextCodes => {
  const buffer = new ArrayBuffer((chars + ZEROS) * 2)
  return { codes: new Uint16Array(buffer), bytes: Buffer.from(buffer) }
}

const sharedCodes = codesFor(SHARED_CHARS)
let codesAreOf = ''

/** The code units, and four zeros behind them. Good until the next text is asked about; the array may be longer than the text. */
export function codesOf(text: string): Uint16Array {
  const { length } = text
  const isShared = length <= SHARED_CHARS
  if (isShared && text === codesAreOf) return sharedCodes.codes
  const { codes, bytes } = isShared ? sharedCodes : codesFor(length)
  bytes.write(text, 0, length * 2, 'utf16le')
  codes.fill(0, length, length + ZEROS)
  if (isShared) codesAreOf = text
  return codes
}
