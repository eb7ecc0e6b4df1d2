import type { Severity } from '@agentcostcontrol/contract'

/** What something is listed for. */
export const THREATS = ['malware', 'command-and-control', 'phishing', 'malicious-package', 'listed'] as const
/** One of {@link THREATS}. */
export type Threat = (typeof THREATS)[number]

/** Whose packages they are. */
export const ECOSYSTEMS = ['npm', 'pypi'] as const
/** One of {@link ECOSYSTEMS}. */
export type Ecosystem = (typeof ECOSYSTEMS)[number]

/** Versions from `from` on; up to `to` and without it, or with it if `inclusive`. `null`: no end. */
export interface VersionRange {
  readonly from: string
  readonly to: string | null
  readonly inclusive: boolean
}

/** What a feed lists, as it writes it. */
export type Listed =
  | { readonly kind: 'domain' | 'url' | 'file-hash'; readonly value: string }
  /** An address, or a network in CIDR notation; `port` where the feed names one. */
  | { readonly kind: 'ip'; readonly value: string; readonly port: number | null }
  | {
      readonly kind: 'package'
      readonly ecosystem: Ecosystem
      readonly name: string
      /** `null` for every version. */
      readonly versions: { readonly exact: readonly string[]; readonly ranges: readonly VersionRange[] } | null
    }

/** Something listed, and how sure and how bad it is. */
export type Indicator = Listed & { readonly threat: Threat; readonly severity: Severity }
