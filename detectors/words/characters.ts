/** What characters are to whoever reads words. */

/** Between words. */
export const SEPARATOR = 0
/** The end of a sentence. */
export const END = 1
/** JSON's escape. */
export const BACKSLASH = 2
/** Nothing at all. */
export const NOTHING = 3
/** A word of its own. */
export const SINGLE = 4

const CHARS = 65_536
const WORD = /[\p{L}\p{N}\p{M}]/u
/** Up to here each character is looked up; those behind are told by their blocks, which takes no time at a start. */
const LOOKED_UP = 0x600
/** Blocks of Unicode, ascending: from where on, and what the characters read as; a letter each where it is `null`. */
const BLOCKS: readonly (readonly [number, number | null])[] = [
  [0x600, null],
  [0x0e00, SINGLE], // Thai
  [0x0e80, null],
  [0x2000, SEPARATOR], // punctuation, symbols, arrows, boxes
  [0x2c00, null],
  [0x2e00, SEPARATOR],
  [0x2e80, SINGLE], // Chinese and Japanese
  [0x3000, SEPARATOR],
  [0x3040, SINGLE],
  [0xa000, null],
  [0xd800, SEPARATOR], // halves of surrogate pairs, private use
  [0xf900, SINGLE],
  [0xfb00, null],
  [0xff00, SEPARATOR],
]

/** By code unit: one of the above, or else what it reads as: more than those, since the letters and 0 are. */
export const READS = new Uint16Array(CHARS)

function fillReads(): void {
  for (let code = 0; code < LOOKED_UP; code++) {
    const char = String.fromCharCode(code)
    if (/\p{N}/u.test(char)) READS[code] = 48
    else if (WORD.test(char)) READS[code] = char.toLowerCase().charCodeAt(0)
  }
  BLOCKS.forEach(([from, reads], index) => {
    const end = BLOCKS[index + 1]?.[0] ?? CHARS
    for (let code = from; code < end; code++) READS[code] = reads ?? code
  })
  for (const char of '.!?;\u3002\uff01\uff1f') READS[char.charCodeAt(0)] = END
  for (const char of "'\u2019\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff") READS[char.charCodeAt(0)] = NOTHING
  READS[92] = BACKSLASH
}
fillReads()
