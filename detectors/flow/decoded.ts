/** What a text says under the encodings with which something is carried out unseen. */

const RUN_CHARS_MIN = 16
const RUNS_MAX = 64
const DEPTH_MAX = 2

/** How a text was hidden; `null` for one that was not. */
export type Encoding = 'base64' | 'hex' | 'url' | 'reversed' | 'spaced'

const BASE64 = /[A-Za-z0-9+/_-]{16,}={0,2}/g
const HEX = /(?:[0-9a-fA-F]{2}){8,}/g
const PRINTABLE = /^[\t\n\r\x20-\x7e\x80-\uffff]*$/

/** Tells of the text itself, then of what comes out of it by each encoding, twice over at most. */
export function decodings(text: string, told: (decoded: string, encoding: Encoding | null) => void): void {
  told(text, null)
  decode(text, 0, told)
}

function decode(text: string, depth: number, told: (decoded: string, encoding: Encoding) => void): void {
  const tell = (decoded: string, encoding: Encoding): void => {
    told(decoded, encoding)
    if (depth + 1 < DEPTH_MAX) decode(decoded, depth + 1, told)
  }
  if (text.length < RUN_CHARS_MIN / 2) return
  if (/%[0-9a-fA-F]{2}/.test(text)) tell(percentDecoded(text), 'url')
  let runs = 0
  for (const [run] of text.matchAll(HEX)) {
    if (++runs > RUNS_MAX) break
    const decoded = Buffer.from(run, 'hex').toString('latin1')
    if (PRINTABLE.test(decoded)) tell(decoded, 'hex')
  }
  runs = 0
  for (const [run] of text.matchAll(BASE64)) {
    if (++runs > RUNS_MAX) break
    const decoded = Buffer.from(run, 'base64').toString('latin1')
    if (PRINTABLE.test(decoded)) tell(decoded, 'base64')
  }
  if (depth > 0) return
  tell([...text].reverse().join(''), 'reversed')
  const spaced = text.replace(/[\s]/g, '')
  if (spaced.length < text.length * 0.6) told(spaced, 'spaced')
}

const percentDecoded = (text: string): string =>
  text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
