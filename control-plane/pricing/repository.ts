import type { Tx } from '../db/database.ts'

/** A price list that was noted. */
export interface NotedCard {
  readonly version: string
  /** SHA-256 of its JSON, hex. */
  readonly contentHash: string
  /** How many prices it holds. */
  readonly models: number
  readonly firstSeenAt: string
}

/** Price lists; they are no tenant's. */
export const rateCardRepository = {
  /** Notes a list unless its version is known. @returns the hash of the one that stands there now */
  note: async (
    tx: Tx,
    card: { readonly version: string; readonly contentHash: string; readonly models: number; readonly json: string },
  ): Promise<string> => {
    const { version, contentHash, models, json } = card
    await tx`
      INSERT INTO rate_cards (version, content_hash, models, card)
      VALUES (${version}, ${contentHash}, ${models}, ${json}::text::json) ON CONFLICT DO NOTHING`
    const [row] = await tx<{ contentHash: string }[]>`
      SELECT content_hash AS "contentHash" FROM rate_cards WHERE version = ${version}`
    if (row === undefined) throw new Error('a price list that was just noted is not there')
    return row.contentHash
  },
  /** The JSON of a version; `null` if it was never used here. */
  json: async (tx: Tx, version: string): Promise<string | null> => {
    const [row] = await tx<{ card: string }[]>`SELECT card::text AS card FROM rate_cards WHERE version = ${version}`
    return row?.card ?? null
  },
  /** The latest first. */
  versions: (tx: Tx): Promise<readonly NotedCard[]> =>
    tx<NotedCard[]>`
      SELECT version, content_hash AS "contentHash", models,
        to_char(first_seen_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "firstSeenAt"
      FROM rate_cards ORDER BY first_seen_at DESC, version DESC`,
}
