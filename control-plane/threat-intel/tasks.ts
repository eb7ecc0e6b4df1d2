import type { FeedFormat, FeedProblem, FeedSummary } from '@agentcostcontrol/detectors/threat-intel'

/** What a list is for: what it names is bad, or is no threat whatever others say. */
export const LIST_KINDS = ['block', 'suppress'] as const
/** One of {@link LIST_KINDS}. */
export type ListKind = (typeof LIST_KINDS)[number]

/** What the worker is given to do. */
export type IntelTask =
  /** Reads a list as it came, alone. */
  | { readonly kind: 'read'; readonly list: ListBytes; readonly nowMs: number }
  /** Makes one index of lists. */
  | { readonly kind: 'build'; readonly lists: readonly ListBytes[]; readonly nowMs: number }

/** A list, packed or not. */
export interface ListBytes {
  readonly name: string
  readonly format: FeedFormat
  readonly kind: ListKind
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** What a list holds. */
export interface ListCounts {
  readonly entries: number
  readonly kinds: FeedSummary['kinds']
  /** Indicators that a list of the kind `suppress` names, and hosts that everybody puts things on. */
  readonly suppressed: number
  /** What could not be read. */
  readonly skipped: number
  /** The first of it. */
  readonly problems: readonly FeedProblem[]
}

/** A list that can be used. */
export interface ReadList {
  /** SHA-256 of the text. */
  readonly hash: string
  /** Of the text. */
  readonly textBytes: number
  /** The text, gzip. */
  readonly packed: Uint8Array<ArrayBuffer>
  readonly counts: ListCounts
}

/** An index. */
export interface BuiltIndex {
  /** SHA-256 of its bytes. */
  readonly version: string
  readonly entries: number
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly lists: readonly { readonly name: string; readonly counts: ListCounts }[]
}

/** What the worker answers with. */
export type IntelResult =
  | { readonly kind: 'read'; readonly read: ReadList }
  | { readonly kind: 'built'; readonly built: BuiltIndex }
  /** The list is none. */
  | { readonly kind: 'refused'; readonly reason: string }

/** Counts as they are shown. */
export const countsOf = ({ entries, kinds, suppressed, failed, problems }: FeedSummary): ListCounts => ({
  entries,
  kinds,
  suppressed,
  skipped: failed,
  problems,
})
