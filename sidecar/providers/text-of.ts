/** Tells text from other bytes, and in which form of Unicode it is. */

/** So much of a file tells whether it is text. */
const HEAD_BYTES = 1_024
/** Of compressed or random bytes a tenth are controls. */
const CONTROLS_SHARE_MAX = 0.05
/** Of Latin letters in UTF-16 every other byte is zero; so many of those are enough. */
const WIDE_SHARE_MIN = 0.5

/** Bytes as text, in UTF-8 or UTF-16; `null` where they are none. @param isDeclared they are said to be text: then they are read whatever they hold */
export function textOf(bytes: Buffer, isDeclared: boolean): string | null {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return bytes.toString('utf16le', 2)
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return bigEndian(bytes.subarray(2))
  const head = bytes.subarray(0, HEAD_BYTES)
  const wide = wideOf(head)
  if (wide !== null) return wide === 'little' ? bytes.toString('utf16le') : bigEndian(bytes)
  const controls = controlsIn(head)
  const isPdf = controls > 0 && head.subarray(0, 5).toString('latin1') === '%PDF-'
  return isDeclared || (!isPdf && controls <= head.length * CONTROLS_SHARE_MAX) ? bytes.toString('utf8') : null
}

function bigEndian(bytes: Buffer): string {
  return Buffer.from(bytes.subarray(0, bytes.length & ~1))
    .swap16()
    .toString('utf16le')
}

/** The order of UTF-16 without a mark: zeros stand at one of two places, and hardly at the other. */
function wideOf(head: Buffer): 'little' | 'big' | null {
  const zeros: [number, number] = [0, 0]
  for (let at = 0; at < head.length; at++) if (head[at] === 0) zeros[at % 2 === 0 ? 0 : 1]++
  const [first, second] = zeros
  const many = (head.length / 2) * WIDE_SHARE_MIN
  const few = head.length * 0.02
  if (head.length < 4) return null
  if (second >= many && first <= few && printable(head, 0)) return 'little'
  return first >= many && second <= few && printable(head, 1) ? 'big' : null
}

/** Whether every other byte, from one on, is hardly ever a control. */
function printable(head: Buffer, from: number): boolean {
  let controls = 0
  for (let at = from; at < head.length; at += 2) if (isControl(head[at] ?? 0)) controls++
  return controls <= (head.length / 2) * CONTROLS_SHARE_MAX
}

function controlsIn(head: Buffer): number {
  let controls = 0
  for (const byte of head) if (isControl(byte)) controls++
  return controls
}

const isControl = (byte: number): boolean =>
  byte < 0x20 && byte !== 9 && byte !== 10 && byte !== 13 && byte !== 12 && byte !== 27
