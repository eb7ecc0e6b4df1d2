/**
 * The index of threat intelligence that a control plane makes of its lists: one file for all sidecars of an organisation,
 * named by the hash of its bytes. The channel tells its name, and a sidecar fetches it by that.
 */
import * as z from 'zod'

/** Most bytes of an index: of as many entries as one holds, with their ranges of versions. */
export const THREAT_INDEX_BYTES_MAX = 128 * 1024 * 1024

/** What names an index. */
export const threatIndexVersionSchema = z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 as 64 hex digits')

/** The index that is to be in force. */
export const threatIntelNewsSchema = z.strictObject({
  version: threatIndexVersionSchema.nullable().describe('SHA-256 of its bytes; `null` while there are no lists'),
  bytes: z.int().min(0).max(THREAT_INDEX_BYTES_MAX),
  builtAt: z.iso.datetime().nullable().describe('RFC 3339, by the clock of the database'),
})

/** The index that is to be in force. */
export type ThreatIntelNews = z.infer<typeof threatIntelNewsSchema>
