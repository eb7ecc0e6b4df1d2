import type { DatabaseSync } from 'node:sqlite'
import { storedGroups } from './group-log.ts'

/** Some events of an outbox in their order, as the control plane takes them. */
export interface SettledEvents {
  /** The body of a batch. */
  readonly json: string
  readonly count: number
  /** The number of the last of them. */
  readonly last: number
}

/** Room for the events of one group: the number of an event is its group's and its place in there. */
const GROUP_ROOM = 2 ** 20
/** A batch is sent before it is larger; the control plane takes twice as much, so a single event always goes. */
const CHARACTERS_MAX = 2 * 1024 * 1024

/** The group of the event with this number. */
export const groupOf = (seq: number): number => Math.floor(seq / GROUP_ROOM)
/** How many events of its group stand before it, itself included. */
export const indexOf = (seq: number): number => seq % GROUP_ROOM

/** Reads the events behind a number: at most `limit`, and of a bounded size; `null` if there are none. */
export function settledAfter(db: DatabaseSync, seq: number, limit: number): SettledEvents | null {
  const parts: string[] = []
  let characters = 0
  let last = seq
  for (const [group, events] of storedGroups(db, groupOf(seq))) {
    for (const [at, event] of events.entries()) {
      const number = group * GROUP_ROOM + at + 1
      if (number <= seq) continue
      if (parts.length >= limit || characters > CHARACTERS_MAX) return batch(parts, last)
      const part = `{"seq":${number},"event":${JSON.stringify(event)}}`
      parts.push(part)
      characters += part.length
      last = number
    }
  }
  return batch(parts, last)
}

const batch = (parts: readonly string[], last: number): SettledEvents | null =>
  parts.length === 0 ? null : { json: `{"events":[${parts.join()}]}`, count: parts.length, last }
