/** What no column and no log line can hold: controls and halves of characters. */
const UNTELLABLE = /[\p{Cc}\p{Cs}]/gu

/** A name as it is told of: whoever made it up may have put anything into it, and is seen all the same. */
export const toldName = (name: string, charactersMax: number): string =>
  name.slice(0, charactersMax).replace(UNTELLABLE, '\ufffd') || '\ufffd'
