/**
 * What was committed together lies in one row: the intents that were opened, those that ended, and the events, as one
 * JSON text. A row for each of them would cost three statements a request and three pages a commit.
 */
import type { DatabaseSync } from 'node:sqlite'
import { eventRow, minUsd, NANO_USD_MAX, type NanoUsd, nanoUsd, type UsageEvent } from '@agentcostcontrol/contract'
import { decodeEvent, encodeEvent } from './event-codec.ts'
import { OpenIntents } from './open-intents.ts'
import { decodeSpend, encodeSpend, type Spend, SpendSums } from './spend-sums.ts'

/** An intent on disk: what is told and charged if nothing more is heard. */
export interface StoredIntent {
  readonly seq: number
  /** The keys of the counters that it was reserved from. */
  readonly holds: readonly string[]
  readonly bound: NanoUsd
  readonly event: UsageEvent
}

/**
 * `groups.first_open` of the last row: no intent that was opened before that group is open after this one.
 * `groups.spend`: the events' spend, summed, so that nobody reads them again for it.
 */
export const GROUP_SCHEMA = `
  CREATE TABLE groups (
    id INTEGER PRIMARY KEY, first_open INTEGER NOT NULL, events INTEGER NOT NULL, spend TEXT NOT NULL, body TEXT NOT NULL
  ) STRICT;
  CREATE TABLE spend_daily (
    day TEXT NOT NULL, agent TEXT NOT NULL, workflow TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
    precision TEXT NOT NULL, requests INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL, charged INTEGER NOT NULL,
    PRIMARY KEY (day, agent, workflow, provider, model, precision)
  ) STRICT, WITHOUT ROWID;`

/** The groups of one outbox. What is opened, ended and told belongs to the transaction that is under way. */
export interface GroupLog {
  open(intent: StoredIntent): void
  end(seq: number): void
  tell(event: UsageEvent): void
  /** Writes the group's row, if there is anything in it. */
  write(): void
  /** The transaction was committed. */
  written(): void
  /** It was not: nothing of it happened. */
  forget(): void
  /** Intents without an end. */
  intents(): readonly StoredIntent[]
  /** How many of the events stand in this group or behind it. */
  countEvents(first?: number): number
  /**
   * Sums the oldest groups up by day, until so many events are gone, and deletes them.
   * @param before this group stays, and what is behind it
   * @returns how many went
   */
  prune(limit: number, before?: number): number
}

/** Makes the log of an open outbox. */
export function createGroupLog(db: DatabaseSync): GroupLog {
  const insert = db.prepare('INSERT INTO groups VALUES (?, ?, ?, ?, ?)')
  const oldest = db.prepare('SELECT id, events, spend FROM groups ORDER BY id')
  const add = db.prepare(`
    INSERT INTO spend_daily VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, input_tokens = input_tokens + excluded.input_tokens,
      output_tokens = output_tokens + excluded.output_tokens, cost = cost + excluded.cost, charged = charged + excluded.charged`)
  const remove = db.prepare('DELETE FROM groups WHERE id <= ?')
  const last = db.prepare('SELECT max(id) AS id FROM groups')
  const open = new OpenIntents()
  let lastId = Number(last.get()?.id ?? 0)
  for (const { intent, group } of openIntents(db)) open.carry(intent.seq, { json: encodeIntent(intent), group })
  let opened: { readonly seq: number; readonly json: string; readonly isCarried: boolean }[] = []
  let ended = new Set<number>()
  let events: string[] = []
  const spend = new SpendSums()

  const isEmpty = (): boolean => opened.length === 0 && ended.size === 0 && events.length === 0

  const startAnew = (): void => {
    opened = []
    ended = new Set()
    events = []
    spend.clear()
  }

  return {
    open: (intent) => opened.push({ seq: intent.seq, json: encodeIntent(intent), isCarried: false }),
    end: (seq) => ended.add(seq),
    tell: (event) => {
      events.push(encodeEvent(event))
      spend.add({ ...eventRow(event), requests: 1 })
    },
    write: () => {
      if (isEmpty()) return
      const body = `[[${opened.map(({ json }) => json).join()}],[${[...ended].join()}],[${events.join()}]]`
      insert.run(lastId + 1, open.firstGroup(ended) ?? lastId + 1, events.length, encodeSpend(spend.rows()), body)
    },
    written: () => {
      if (isEmpty()) return
      lastId++
      for (const { seq, json, isCarried } of opened) {
        if (isCarried) open.carry(seq, { json, group: lastId })
        else open.add(seq, { json, group: lastId })
      }
      for (const seq of ended) open.delete(seq)
      startAnew()
    },
    forget: startAnew,
    intents: () => openIntents(db).map(({ intent }) => intent),
    countEvents: (first = 0) =>
      Number(db.prepare('SELECT coalesce(sum(events), 0) AS count FROM groups WHERE id >= ?').get(first)?.count ?? 0),
    prune: (limit, before = Number.POSITIVE_INFINITY) => {
      const sums = new SpendSums()
      let gone = 0
      let upTo = 0
      for (const row of oldest.iterate()) {
        if (gone >= limit || Number(row.id) >= before) break
        for (const each of decodeSpend(String(row.spend))) sums.add(each)
        gone += Number(row.events)
        upTo = Number(row.id)
      }
      if (upTo === 0) return 0
      for (const { day, agent, workflow, provider, model, precision, ...sum } of sums.rows()) {
        const { requests, inputTokens, outputTokens, cost, charged } = sum
        add.run(day, agent, workflow, provider, model, precision, requests, inputTokens, outputTokens, cost, charged)
      }
      // Those that are still open are taken over into the group under way, since their own go.
      for (const [seq, { json }] of open.upTo(upTo)) if (!ended.has(seq)) opened.push({ seq, json, isCarried: true })
      remove.run(upTo)
      return gone
    },
  }
}

/** The spend of the groups of an outbox. */
export function* storedSpend(db: DatabaseSync): Generator<Spend> {
  for (const { spend } of db.prepare('SELECT spend FROM groups').iterate()) yield* decodeSpend(String(spend))
}

function* groupsFrom(db: DatabaseSync, first: number): Generator<readonly [id: number, group: EncodedGroup]> {
  for (const { id, body } of db.prepare('SELECT id, body FROM groups WHERE id >= ? ORDER BY id').iterate(first))
    yield [Number(id), JSON.parse(String(body))]
}

/** The events of an outbox, oldest first. */
export function* storedEvents(db: DatabaseSync): Generator<UsageEvent> {
  for (const [, events] of storedGroups(db, 0)) yield* events
}

/** The groups of an outbox from one on, and their events. */
export function* storedGroups(
  db: DatabaseSync,
  first: number,
): Generator<readonly [id: number, events: readonly UsageEvent[]]> {
  for (const [id, group] of groupsFrom(db, first)) yield [id, eventsOf(group)]
}

/** The intents without an end in an outbox, and the groups that they stand in. */
export function openIntents(db: DatabaseSync): readonly { readonly intent: StoredIntent; readonly group: number }[] {
  const last = db.prepare('SELECT first_open FROM groups ORDER BY id DESC LIMIT 1').get()
  const open = new Map<number, { readonly intent: EncodedIntent; readonly group: number }>()
  for (const [id, [opened, ended]] of groupsFrom(db, Number(last?.first_open ?? 0))) {
    for (const intent of opened) open.set(intent[0], { intent, group: id })
    for (const seq of ended) open.delete(seq)
  }
  return [...open.values()].map(({ intent, group }) => ({ intent: decodeIntent(intent), group }))
}

const encodeIntent = ({ seq, holds, bound, event }: StoredIntent): string =>
  `[${seq},${JSON.stringify(holds)},"${minUsd(bound, NANO_USD_MAX)}",${encodeEvent(event)}]`

type EncodedIntent = readonly [seq: number, holds: readonly string[], bound: string, event: unknown]
type EncodedGroup = readonly [opened: readonly EncodedIntent[], ended: readonly number[], events: readonly unknown[]]

const decodeIntent = ([seq, holds, bound, event]: EncodedIntent): StoredIntent => ({
  seq,
  holds,
  bound: nanoUsd(BigInt(bound)),
  event: decodeEvent(event),
})

const eventsOf = ([, , events]: EncodedGroup): readonly UsageEvent[] => events.map(decodeEvent)
