/**
 * The code units of a text as numbers: a loop over an array looks at them faster than one over a string, and always as
 * fast, whatever a string is made of. Copied once for all that look at the same text in turn.
 */

/** Texts up to this length share arrays, so that judging one leaves no garbage. */
const SHARED_CHARS = 1 << 18
/** Behind the last one, so that whoever looks at what follows need not ask whether the text ends. */
const ZEROS = 4

/** A kind of copy. */
interface Kind<T> {
  readonly arraysFor: (chars: number) => T
  readonly copy: (text: string, into: T) => void
}

/** Copies a text, or says where it was copied already. What it gives is good until the next text is asked about. */
function copier<T>({ arraysFor, copy }: Kind<T>): (text: string) => T {
  const shared = arraysFor(SHARED_CHARS)
  let arrays = shared
  let copied = ''
  return (text) => {
    if (text === copied) return arrays
    arrays = text.length <= SHARED_CHARS ? shared : arraysFor(text.length)
    copy(text, arrays)
    copied = text
    return arrays
  }
}

/** The low bytes of a text's code units, and the same by twos as this machine reads them. */
export interface TextBytes {
  readonly bytes: Buffer
  readonly pairs: Uint16Array
}

/** The low byte of each code unit, with four zeros behind them; the arrays may be longer. Good until the next text is asked about. */
export const bytesOf = copier<TextBytes>({
  arraysFor: (chars) => {
    const buffer = new ArrayBuffer(chars + ZEROS + (chars & 1))
    return { bytes: Buffer.from(buffer), pairs: new Uint16Array(buffer) }
  },
  copy: (text, { bytes }) => {
    bytes.write(text, 0, text.length, 'latin1')
    for (let at = text.length; at < text.length + ZEROS; at++) bytes[at] = 0
  },
})

interface TextCodes {
  readonly codes: Uint16Array
  readonly bytes: Buffer
}

const copyOfCodes = copier<TextCodes>({
  arraysFor: (chars) => {
    const buffer = new ArrayBuffer((chars + ZEROS) * 2)
    return { codes: new Uint16Array(buffer), bytes: Buffer.from(buffer) }
  },
  copy: (text, { codes, bytes }) => {
    bytes.write(text, 0, text.length * 2, 'utf16le')
    for (let at = text.length; at < text.length + ZEROS; at++) codes[at] = 0
  },
})

/** The code units, with four zeros behind them; the array may be longer. Good until the next text is asked about. */
export const codesOf = (text: string): Uint16Array => copyOfCodes(text).codes

/** Lets the last text go, and copies of it that nobody else can use: whoever has judged a large one need not keep it. */
export function forgetText(): void {
  bytesOf('')
  copyOfCodes('')
}
