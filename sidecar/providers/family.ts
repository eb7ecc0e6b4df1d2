import type { ErrorFormat, PathFacts, ProviderAdapter } from './provider.ts'

/** What an endpoint of a provider is, from method, path and query alone. */
export type Endpoint =
  | {
      readonly kind: 'metered'
      readonly adapter: ProviderAdapter
      readonly path: PathFacts
      /** How it tells errors, where that differs from the rest of the family. */
      readonly errors?: ErrorFormat
    }
  /** Costs nothing at the provider: lists, files, moderations, stored answers. */
  | {
      readonly kind: 'free'
      readonly operation: string
      /** The operation whose answer is asked for again: it is read, and judged, as the first one is. */
      readonly again?: ProviderAdapter
      /** The operation whose text its request carries: it is inspected as one of that. */
      readonly carries?: ProviderAdapter
    }
  /** Costs something, or may: not metered in this version. */
  | { readonly kind: 'billable'; readonly operation: string }

/** Endpoints by method and path. */
export interface EndpointRule {
  readonly methods: readonly string[]
  readonly path: RegExp
}

/** Whether one of the rules is about this endpoint. */
export const isOneOf = (rules: readonly EndpointRule[], method: string, path: string): boolean =>
  rules.some((rule) => rule.methods.includes(method) && rule.path.test(path))

/** Endpoints that carry the text of an operation. */
export interface CarrierRule extends EndpointRule {
  readonly carries: ProviderAdapter
}

/** The operation whose text a request carries to an endpoint that is not metered, as a part of {@link Endpoint}. */
export function carriedBy(
  rules: readonly CarrierRule[],
  method: string,
  path: string,
): { readonly carries?: ProviderAdapter } {
  const rule = rules.find((one) => isOneOf([one], method, path))
  return rule ? { carries: rule.carries } : {}
}

/** An API that several providers may speak: its endpoints, and how it tells errors. */
export interface WireFamily {
  readonly errors: ErrorFormat
  /**
   * Classifies an endpoint.
   * @param path decoded, without query, and below what {@link ProviderRoute.base} takes off
   * @param query as sent, without its question mark
   */
  endpoint(method: string, path: string, query: string): Endpoint
}

/** How the paths of one provider are read. */
export interface ProviderRoute {
  readonly family: WireFamily
  /**
   * What clients may send in front of the family's paths and the provider's base URL already holds, e.g. `/v1`.
   * Ending before a slash.
   */
  readonly base: RegExp
  /** Paths that mean this provider without its name in front, whatever they begin with; left out: none. */
  readonly claims?: RegExp
  /** Other names that mean this provider in front of a path; left out: none. */
  readonly aliases?: readonly string[]
}
