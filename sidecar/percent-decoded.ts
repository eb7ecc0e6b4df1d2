/**
 * A text with its percent escapes taken off, each run of them by itself: what is no escape, or half of one at a cut, leaves the
 * others as readable as they are.
 */
export function percentDecoded(text: string): string {
  if (!text.includes('%')) return text
  return text.replace(/(?:%[0-9a-fA-F]{2})+/g, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString('utf8'))
}
