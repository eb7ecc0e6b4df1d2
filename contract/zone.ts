/** Calendar days of a named time zone, right across daylight-saving changes; by the runtime's own time zone data. */

/** Length of a day of UTC, ms. */
export const DAY_MS = 86_400_000
/** No zone is further from UTC, ms. */
const OFFSET_MS_MAX = 15 * 3_600_000
const ZONE = /^[A-Z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/
/** Longest name of a zone. */
const ZONE_CHARS_MAX = 40
/** Names come from messages too. */
const ZONES_MAX = 1_000
const formats = new Map<string, Intl.DateTimeFormat>()

/** Whether a text is the name of a time zone, like `Europe/Berlin`; offsets like `+02:00` are not. */
export function isTimeZone(name: string): boolean {
  if (name === 'UTC') return true
  if (name.length > ZONE_CHARS_MAX || !ZONE.test(name)) return false
  try {
    formatOf(name)
    return true
  } catch {
    return false
  }
}

/**
 * The calendar day of an instant (ms since the epoch) as the number of days between 1970-01-01 and it. Where clocks are
 * set back across midnight a day goes on until the next one begins for good: days follow each other.
 */
export function localDay(zone: string, atMs: number): number {
  if (zone === 'UTC') return Math.floor(atMs / DAY_MS)
  const day = shownDay(zone, atMs)
  if (atMs < startOfDay(zone, day)) return day - 1
  return atMs >= startOfDay(zone, day + 1) ? day + 1 : day
}

/** When a calendar day begins, ms since the epoch: at midnight, or with the first second after it where there is none. */
export function startOfDay(zone: string, day: number): number {
  if (zone === 'UTC') return day * DAY_MS
  let [before, after] = [(day * DAY_MS - OFFSET_MS_MAX) / 1_000, (day * DAY_MS + OFFSET_MS_MAX) / 1_000]
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2)
    if (shownDay(zone, middle * 1_000) >= day) after = middle
    else before = middle
  }
  return after * 1_000
}

function shownDay(zone: string, atMs: number): number {
  let [year, month, date] = [0, 0, 0]
  for (const { type, value } of formatOf(zone).formatToParts(atMs)) {
    if (type === 'year') year = Number(value)
    else if (type === 'month') month = Number(value)
    else if (type === 'day') date = Number(value)
  }
  return Date.UTC(year, month - 1, date) / DAY_MS
}

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone)
  if (known) return known
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
  })
  const [oldest] = formats.size >= ZONES_MAX ? formats.keys() : []
  if (oldest !== undefined) formats.delete(oldest)
  formats.set(zone, format)
  return format
}
