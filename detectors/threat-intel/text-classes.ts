/** What characters can be part of. */

const HOST = 1
const URL_END = 2
const HEX = 4

/** One for each code unit: a look beside a table costs more than a large table. */
const CLASSES = new Uint8Array(65_536)
for (let code = 0; code < 128; code++) {
  const char = String.fromCharCode(code)
  if (/[A-Za-z0-9_.-]/.test(char)) CLASSES[code] = (CLASSES[code] ?? 0) | HOST
  if (/[\s"<>`{}|^]/.test(char) || code < 33 || code === 127) CLASSES[code] = (CLASSES[code] ?? 0) | URL_END
  if (/[0-9a-fA-F]/.test(char)) CLASSES[code] = (CLASSES[code] ?? 0) | HEX
}

/** Letters, digits, `-`, `_` and `.`; not the end of a text. */
export const isHostChar = (code: number): boolean => ((CLASSES[code] ?? 0) & HOST) !== 0
/** The same without dots. */
export const isLabelChar = (code: number): boolean => code !== 46 && isHostChar(code)
/** What no URL goes on behind: blanks, quotes and brackets of markup; the end of a text. */
export const endsUrl = (code: number): boolean => ((CLASSES[code] ?? 0) & URL_END) !== 0 || Number.isNaN(code)
/** Digits of base 16. */
export const isHex = (code: number): boolean => ((CLASSES[code] ?? 0) & HEX) !== 0
/** Letters and digits outside ASCII, about. */
export const isForeign = (code: number): boolean =>
  code > 0xa0 && !(code >= 0x2000 && code <= 0x206f) && !(code >= 0x3000 && code <= 0x301f)
