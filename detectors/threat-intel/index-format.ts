/** How the index lies in memory; all are words of 32 bits, as this machine writes them. */

/** "ACTI" */
export const MAGIC = 0x41435449
/** Raised by hand when what follows comes to mean something else. */
export const FORMAT = 1

/** Places of the header. */
export const HEADER = {
  magic: 0,
  format: 1,
  entries: 2,
  /** The first so many bits of a key say in which bucket it is. */
  bucketBits: 3,
  has: 4,
  /** Which lengths of networks there are: 33 of IPv4, 129 of IPv6, a bit each. */
  v4Bits: 5,
  v6Bits: 7,
  extraWords: 12,
  /** The first eight bytes of a SHA-256 of the content. */
  version: 13,
  words: 16,
} as const

/** What is in it at all, so that nobody looks for what is not. */
export const HAS = { v6: 1, files: 2, packages: 4 } as const

/** An entry's word beside its key. */
export const META = {
  /** Always set, so that no entry is 0. */
  exists: 1,
  severityShift: 1,
  threatShift: 3,
  /** The host, or every version of the package, is listed. */
  whole: 1 << 6,
  /** URLs of the host, or some versions of the package, are. */
  parts: 1 << 7,
  /** Above: where its extra words begin, plus one; 0 for none. */
  extraShift: 8,
} as const

/** Most entries; what is listed beyond is not taken. */
export const ENTRIES_MAX = 4_000_000
