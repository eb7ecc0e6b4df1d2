/** How a streamed answer is cut into events. All events put together are the stream again, byte for byte. */

/** Cuts a stream as its chunks come. */
export interface EventSplitter {
  /**
   * Takes a chunk and gives the events that it completes.
   * @throws RangeError when an event grows beyond the bound
   */
  push(chunk: Buffer): readonly Buffer[]
  /** What is left when the stream ends, or nothing. */
  flush(): Buffer | null
}

/** Where the data of an event stands in its bytes. */
export interface EventData {
  readonly text: string
  /** Byte range of the data when it is in one piece; `null` when it is spread over several lines. */
  readonly span: { readonly start: number; readonly end: number } | null
}

/** One way to put events into a stream. */
export interface Framing {
  readonly name: string
  /** @param eventBytesMax largest event that is held together */
  splitter(eventBytesMax: number): EventSplitter
  /** The data of an event; `null` for one without data (comments, keep-alives, separators). */
  data(event: Buffer): EventData | null
}
