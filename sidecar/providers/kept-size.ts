/** What parts of bodies take in memory as long as they are kept (kept-heads.ts). */

/** What a value takes beside strings. */
const VALUE_BYTES = 128
/** As bytes, as the strings they were parsed to, and as what is made of these: the text of a call's arguments, of a file. */
const TIMES = 3

/**
 * Bytes of memory that a part of a body takes about, as it was sent and parsed: for each value that a bracket or a comma
 * brings some are added, since a list of empty objects takes many times its text.
 * @param bytes begin and end outside of strings
 */
export function sizeOf(bytes: Buffer): number {
  let values = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === 0x22) at = endOfString(bytes, at + 1)
    else if (byte === 0x2c || byte === 0x5b || byte === 0x7b) values++
  }
  return TIMES * bytes.length + VALUE_BYTES * values
}

/** Where a string's closing quote stands; behind everything if there is none. */
function endOfString(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(0x22, from); at !== -1; at = bytes.indexOf(0x22, at + 1)) {
    let slashes = 0
    while (at - slashes > from && bytes[at - slashes - 1] === 0x5c) slashes++
    if (slashes % 2 === 0) return at
  }
  return bytes.length
}

/**
 * The first bytes of a body, which keep no more than as much again in memory: a copy where more stands behind them, to
 * parse which costs more than the copy.
 */
export function firstBytes(body: Buffer, to: number): Buffer {
  if (body.buffer.byteLength <= 2 * to) return body.subarray(0, to)
  // Small ones would else share a slab with whatever comes.
  const bytes = Buffer.allocUnsafeSlow(to)
  body.copy(bytes, 0, 0, to)
  return bytes
}
