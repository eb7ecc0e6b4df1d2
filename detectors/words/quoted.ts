const QUOTES = '"\'`\u201c\u201e\u00ab\u2018'
/** What stands before the quotes of a value in JSON, code or a table, which are no quotation. */
const VALUE = ':,[{(=>|\\'

/**
 * Whether a quotation opens right before this place, as in a text that tells which phrases to look for. The quotes of a
 * value do not count: what a tool returns stands in them.
 */
export function isQuoted(text: string, start: number): boolean {
  if (start === 0 || !QUOTES.includes(text.charAt(start - 1))) return false
  let at = start - 2
  while (at >= 0 && (text[at] === ' ' || text[at] === '\n')) at--
  return at >= 0 && !VALUE.includes(text.charAt(at))
}
