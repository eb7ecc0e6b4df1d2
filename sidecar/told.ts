/**
 * A text that others chose, as an event may tell it: of its length in UTF-16 code units, and of characters that every
 * database takes. An event with others would be refused whole, and its spend with it.
 */
export const told = (text: string, charsMax: number): string =>
  text.length <= charsMax && PLAIN.test(text) ? text : cleaned(text, charsMax)

/** As names of tools and models are. */
const PLAIN = /^[\x20-\x7e]*$/

const cleaned = (text: string, charsMax: number): string =>
  text.slice(0, charsMax).replaceAll('\u0000', '').toWellFormed()
