/**
 * The ids of events: UUIDs of version 7 (RFC 9562), which begin with the milliseconds of `intentAt`. So the id alone,
 * which a client is told as `x-acc-request-id`, leads to the event, wherever events are kept by their time.
 */

/** Makes the id of an exchange. @param atMs its `intentAt`, whole ms @param random a UUID of version 4 */
export function eventIdAt(atMs: number, random: string): string {
  const time = atMs.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8, 12)}-7${random.slice(15)}`
}

/** The `intentAt` that an id begins with, RFC 3339 UTC; `null` for an id of another version. */
export function intentAtOf(eventId: string): string | null {
  const [, high, low] = /^([0-9a-f]{8})-([0-9a-f]{4})-7/.exec(eventId) ?? []
  return high === undefined || low === undefined ? null : new Date(Number.parseInt(high + low, 16)).toISOString()
}
