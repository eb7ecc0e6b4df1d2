/** Kinds of ASCII characters, by code unit. */

/** 0 to 9. */
export const isDigit = (code: number): boolean => code >= 48 && code <= 57
/** Letters and digits. */
export const isAlnum = (code: number): boolean =>
  (code >= 97 && code <= 122) || isDigit(code) || (code >= 65 && code <= 90)
/** Letters, digits, "-" and "_". */
export const isWord = (code: number): boolean => isAlnum(code) || code === 45 || code === 95
/** Blanks and line breaks. */
export const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13)
