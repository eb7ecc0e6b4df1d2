/** Where a text is still open: what a stream must hold back. */

import { eachUrl } from './scan.ts'
import { LEAD_CHARS_MAX, openLead, settingOf } from './setting.ts'
import { URL_CHARS_MAX, type Url } from './url.ts'

/** An address, and what stands before it that says whether it is fetched. */
export const HOLD_CHARS_MAX = URL_CHARS_MAX + 2 * LEAD_CHARS_MAX

/** {@link Detector.openFrom} of exfiltration. */
export function openFrom(text: string): number {
  const floor = Math.max(0, text.length - HOLD_CHARS_MAX)
  const tail = floor === 0 ? text : text.slice(floor)
  let open = openLead(tail)
  const urls: Url[] = []
  eachUrl(tail, (url) => {
    if (url.isOpen) open = Math.min(open, settingOf(tail, url.start).start)
    urls.push(url)
    return !url.isOpen
  })
  open = beforeUrls(tail, urls, open)
  // Half of a surrogate pair stays with its other half.
  if (open === tail.length && open > 0 && (tail.charCodeAt(open - 1) & 0xfc00) === 0xd800) open--
  return floor + open
}

/** Steps back before every address that a cut would divide. */
function beforeUrls(text: string, urls: readonly Url[], begun: number): number {
  let open = begun
  for (let at = urls.length - 1; at >= 0; at--) {
    const url = urls[at]
    if (url && url.start < open && url.end > open) open = settingOf(text, url.start).start
  }
  return open
}
