import { isAlnum, isDigit } from '../scan/ascii.ts'

/** Ends of hosts that are written without a scheme in front: those that people meet; others look like code or files. */
const TOP_LEVEL: ReadonlySet<string> = new Set(
  'com net org io co dev app info biz xyz ai me us uk de fr es it nl se no ch at eu ru cn jp in br au ca kr pl cz tv cc site online shop store club top live pro cloud tech link click page edu gov int mil test example invalid onion'.split(
    ' ',
  ),
)
const HOST_CHARS_MAX = 253

/**
 * How many characters from `start` on are a host; 0 if there is none.
 * @param any true for what stands where only a host can: then a name without a dot is one too
 */
export function hostLength(text: string, start: number, end: number, any: boolean): number {
  let at = start
  let dot = -1
  let letters = false
  const limit = Math.min(end, start + HOST_CHARS_MAX)
  for (; at < limit; at++) {
    const code = text.charCodeAt(at)
    if (code === 46) {
      if (at === start || dot === at - 1) return 0
      dot = at
    } else if (isAlnum(code) || code === 45 || code > 127) letters ||= !isDigit(code)
    else break
  }
  if (dot === at - 1) at--
  if (at === start || (at < end && !'/:?#'.includes(text.charAt(at)))) return 0
  if (any) return at - start
  if (dot <= start) return 0
  if (!letters) return isAddress(text.slice(start, at)) ? at - start : 0
  return TOP_LEVEL.has(text.slice(dot + 1, at).toLowerCase()) ? at - start : 0
}

const isAddress = (host: string): boolean => {
  const parts = host.split('.')
  return parts.length === 4 && parts.every((part) => part !== '' && part.length <= 3 && Number(part) < 256)
}
