/** Most characters of a run that nobody sees which an answer holds back: what is longer is judged in parts. */
export const HOLD_CHARS_MAX = 8_192

const TAG_LEAD = 0xdb40

/** {@link Detector.openFrom} of smuggling: where the run of hidden characters that the text ends with begins. */
export function openFrom(text: string): number {
  const floor = Math.max(0, text.length - HOLD_CHARS_MAX)
  let open = text.length
  if (open > 0 && text.charCodeAt(open - 1) === TAG_LEAD) open--
  for (;;) {
    const units = hiddenBefore(text, open)
    if (units === 0) return Math.max(floor, open - flagBefore(text, open))
    if (open - units < floor) return text.length
    open -= units
  }
}

/** The black flag that begins a region's, or its first half: what follows it is told by it. */
function flagBefore(text: string, end: number): number {
  if (text.charCodeAt(end - 1) === 0xd83c) return 1
  return text.charCodeAt(end - 1) === 0xdff4 && text.charCodeAt(end - 2) === 0xd83c ? 2 : 0
}

/** How many code units the hidden character takes that ends at an offset; 0 if there is none. */
function hiddenBefore(text: string, end: number): number {
  if (end === 0) return 0
  const code = text.charCodeAt(end - 1)
  if (code < 0xad) return 0
  if (code >= 0xdc00 && code <= 0xddef) return end > 1 && text.charCodeAt(end - 2) === TAG_LEAD ? 2 : 0
  return code === 0xad ||
    code === 0x180e ||
    (code >= 0x200b && code <= 0x200d) ||
    (code >= 0x2060 && code <= 0x2064) ||
    (code >= 0xfe00 && code <= 0xfe0f) ||
    code === 0xfeff
    ? 1
    : 0
}
