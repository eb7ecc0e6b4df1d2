import type { FeedFormat } from '@agentcostcontrol/detectors/threat-intel'
import type { Tx } from '../db/database.ts'
import type { ListBytes, ListCounts, ListKind, ReadList } from './tasks.ts'

/** A list as it is shown. Instants are RFC 3339, by the clock of the database. */
export interface IntelList extends ListCounts {
  readonly name: string
  readonly format: FeedFormat
  readonly kind: ListKind
  /** `null` where people upload it. */
  readonly url: string | null
  readonly refreshSeconds: number | null
  readonly createdAt: string
  /** The key of its author. */
  readonly createdBy: string
  /** SHA-256 of its text; `null` before there was any. */
  readonly contentHash: string | null
  readonly contentBytes: number
  /** When it became what it is. */
  readonly changedAt: string | null
  /** When it was last seen to be so: uploaded, or fetched whether it had changed or not. */
  readonly checkedAt: string | null
  /** Since then; `null` before. */
  readonly ageSeconds: number | null
  /** Fetches that failed since the last one that did not. */
  readonly failures: number
  readonly lastError: string | null
  readonly failedAt: string | null
  readonly nextFetchAt: string | null
}

/** One that is made. */
export type NewList = Pick<IntelList, 'name' | 'format' | 'kind' | 'url' | 'refreshSeconds' | 'createdBy'>

/** A list that one replica may fetch for a while. */
export interface ClaimedList extends Pick<IntelList, 'name' | 'format' | 'kind' | 'contentHash' | 'failures'> {
  readonly url: string
  readonly refreshSeconds: number
  readonly etag: string | null
  readonly lastModified: string | null
  readonly claim: string
}

/** What a fetch came to, beside the content. */
export interface FetchOutcome {
  readonly etag: string | null
  readonly lastModified: string | null
}

/** Lists of one organisation, and what their texts sum up to. */
export interface ListSums {
  readonly lists: number
  readonly textBytes: number
}

const FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'
const iso = (tx: Tx, column: string) => tx`to_char(${tx(column)}, ${FORMAT})`
const columns = (tx: Tx) => tx`
  name, format, kind, url, refresh_seconds AS "refreshSeconds", ${iso(tx, 'created_at')} AS "createdAt",
  created_by AS "createdBy", content_hash AS "contentHash", content_bytes::float8 AS "contentBytes",
  ${iso(tx, 'changed_at')} AS "changedAt", ${iso(tx, 'checked_at')} AS "checkedAt",
  greatest(0, floor(extract(epoch FROM clock_timestamp() - checked_at)))::float8 AS "ageSeconds",
  entries::float8 AS entries, kinds, suppressed::float8 AS suppressed, skipped::float8 AS skipped, problems, failures,
  last_error AS "lastError", ${iso(tx, 'failed_at')} AS "failedAt", ${iso(tx, 'next_fetch_at')} AS "nextFetchAt"`
const counted = (tx: Tx, { entries, kinds, suppressed, skipped, problems }: ListCounts) => tx`
  entries = ${entries}::float8, kinds = ${JSON.stringify(kinds)}::text::json, suppressed = ${suppressed}::float8,
  skipped = ${skipped}::float8, problems = ${JSON.stringify(problems)}::text::json`
const soon = (tx: Tx, seconds: number) => tx`now() + ${seconds}::float8 * interval '1 second'`

/** One piece of a text or an index. */
const PART_BYTES = 512 * 1024

/** Bytes in pieces, in their order. */
export const partsOf = (bytes: Uint8Array): readonly Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / PART_BYTES) }, (_, part) =>
    Buffer.from(bytes.subarray(part * PART_BYTES, (part + 1) * PART_BYTES)),
  )

/** The lists of the transaction's organisation. */
export const listRepository = {
  /** @returns false if there is one of this name */
  make: async (tx: Tx, { name, format, kind, url, refreshSeconds, createdBy }: NewList): Promise<boolean> => {
    const made = await tx`
      INSERT INTO threat_intel_lists (org_id, name, format, kind, url, refresh_seconds, created_by, next_fetch_at)
      VALUES (current_org(), ${name}, ${format}, ${kind}, ${url}, ${refreshSeconds}, ${createdBy},
        ${url === null ? null : tx`now()`})
      ON CONFLICT DO NOTHING`
    return made.count > 0
  },
  find: async (tx: Tx, name: string): Promise<IntelList | null> => {
    const [row] = await tx<IntelList[]>`SELECT ${columns(tx)} FROM threat_intel_lists WHERE name = ${name}`
    return row ?? null
  },
  /** By name. */
  list: (tx: Tx): Promise<readonly IntelList[]> =>
    tx<IntelList[]>`SELECT ${columns(tx)} FROM threat_intel_lists ORDER BY threat_intel_lists.name`,
  sums: async (tx: Tx): Promise<ListSums> => {
    const [row] = await tx<ListSums[]>`
      SELECT count(*)::int AS lists, coalesce(sum(content_bytes), 0)::float8 AS "textBytes" FROM threat_intel_lists`
    return row ?? { lists: 0, textBytes: 0 }
  },
  remove: async (tx: Tx, name: string): Promise<boolean> => {
    await tx`DELETE FROM threat_intel_parts WHERE name = ${name}`
    return (await tx`DELETE FROM threat_intel_lists WHERE name = ${name}`).count > 0
  },
  /** Puts a text in place of the one before. */
  replace: async (tx: Tx, name: string, { hash, textBytes, packed, counts }: ReadList): Promise<void> => {
    await tx`DELETE FROM threat_intel_parts WHERE name = ${name}`
    for (const [part, bytes] of partsOf(packed).entries())
      await tx`INSERT INTO threat_intel_parts (org_id, name, part, bytes) VALUES (current_org(), ${name}, ${part}, ${bytes})`
    await tx`
      UPDATE threat_intel_lists SET content_hash = ${hash}, content_bytes = ${textBytes}::float8, changed_at = now(),
        checked_at = now(), ${counted(tx, counts)}
      WHERE name = ${name}`
  },
  /** Its text was seen to be what it is. */
  checked: (tx: Tx, name: string): Promise<unknown> =>
    tx`UPDATE threat_intel_lists SET checked_at = now() WHERE name = ${name}`,
  count: (tx: Tx, name: string, counts: ListCounts): Promise<unknown> =>
    tx`UPDATE threat_intel_lists SET ${counted(tx, counts)} WHERE name = ${name}`,
  /** Every text, packed, by name. */
  texts: async (tx: Tx): Promise<readonly ListBytes[]> => {
    const lists = await tx<Pick<ListBytes, 'name' | 'format' | 'kind'>[]>`
      SELECT name, format, kind FROM threat_intel_lists WHERE content_hash IS NOT NULL ORDER BY name`
    const texts: ListBytes[] = []
    for (const list of lists) {
      const parts = await tx<{ bytes: Buffer }[]>`
        SELECT bytes FROM threat_intel_parts WHERE name = ${list.name} ORDER BY part`
      const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.bytes.length, 0))
      let at = 0
      for (const part of parts) {
        bytes.set(part.bytes, at)
        at += part.bytes.length
      }
      texts.push({ ...list, bytes })
    }
    return texts
  },
  /**
   * Takes a list to fetch it: the named one whenever it is due, or any that is due now. Nobody else gets it meanwhile.
   * @param claimMs for how long
   */
  claim: async (tx: Tx, name: string | null, claim: string, claimMs: number): Promise<ClaimedList | null> => {
    const [row] = await tx<ClaimedList[]>`
      UPDATE threat_intel_lists SET claim = ${claim}, claimed_until = ${soon(tx, claimMs / 1_000)}
      WHERE name = (
        SELECT name FROM threat_intel_lists
        WHERE url IS NOT NULL AND (claimed_until IS NULL OR claimed_until < now())
          AND ${name === null ? tx`next_fetch_at <= now()` : tx`name = ${name}`}
        ORDER BY next_fetch_at LIMIT 1 FOR UPDATE SKIP LOCKED)
      RETURNING name, format, kind, content_hash AS "contentHash", failures, url, refresh_seconds AS "refreshSeconds", etag,
        last_modified AS "lastModified", claim`
    return row ?? null
  },
  /** Ends a claim as if it had never been. */
  release: (tx: Tx, { name, claim }: ClaimedList): Promise<unknown> =>
    tx`UPDATE threat_intel_lists SET claim = NULL, claimed_until = NULL WHERE name = ${name} AND claim = ${claim}`,
  /** Ends a claim after a fetch that told what the list holds. @returns false if it is another's by now, or the list is gone */
  fetched: async (tx: Tx, { name, claim, refreshSeconds }: ClaimedList, outcome: FetchOutcome): Promise<boolean> => {
    const settled = await tx`
      UPDATE threat_intel_lists SET etag = ${outcome.etag}, last_modified = ${outcome.lastModified}, checked_at = now(),
        failures = 0, last_error = NULL, failed_at = NULL, next_fetch_at = ${soon(tx, refreshSeconds)}, claim = NULL,
        claimed_until = NULL
      WHERE name = ${name} AND claim = ${claim}`
    return settled.count > 0
  },
  /** The same after one that failed: the text before stays. */
  failed: async (tx: Tx, { name, claim }: ClaimedList, reason: string, againSeconds: number): Promise<boolean> => {
    const settled = await tx`
      UPDATE threat_intel_lists SET failures = failures + 1, last_error = ${reason}, failed_at = now(),
        next_fetch_at = ${soon(tx, againSeconds)}, claim = NULL, claimed_until = NULL
      WHERE name = ${name} AND claim = ${claim}`
    return settled.count > 0
  },
}
