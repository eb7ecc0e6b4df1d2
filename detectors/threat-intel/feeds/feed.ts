import type { Severity } from '@agentcostcontrol/contract'
import type { Indicator } from '../indicator.ts'

/** Formats that lists come in. `plain`: one indicator a line, as block lists have it. */
export const FEED_FORMATS = ['urlhaus', 'threatfox', 'osv', 'stix', 'misp-warninglist', 'plain'] as const
/** One of {@link FEED_FORMATS}. */
export type FeedFormat = (typeof FEED_FORMATS)[number]

/** Something in a list that could not be read. */
export interface FeedProblem {
  /** 1-based; in JSON that of the list's item, not of the file. */
  readonly line: number
  readonly message: string
}

/** Told of what a list holds, in its order. */
export interface FeedSink {
  indicator(indicator: Indicator): void
  warninglist(list: Warninglist): void
  problem(problem: FeedProblem): void
}

/** What is no threat whatever lists say, as MISP writes it. */
export interface Warninglist {
  readonly type: 'string' | 'substring' | 'hostname' | 'cidr' | 'regex'
  readonly values: readonly string[]
}

/** A list's confidence from 0 to 100 as a severity. */
export const severityOfConfidence = (confidence: number): Severity =>
  confidence >= 75 ? 'high' : confidence >= 50 ? 'medium' : 'low'

/** The lines of a text with their numbers, one at a time. */
export function* linesOf(text: string): Generator<readonly [line: number, text: string]> {
  let from = text.startsWith('\ufeff') ? 1 : 0
  for (let line = 1; from < text.length; line++) {
    const end = text.indexOf('\n', from)
    const to = end === -1 ? text.length : end
    yield [line, text.slice(from, text[to - 1] === '\r' ? to - 1 : to)]
    from = to + 1
  }
}

/** An object, whatever is in it. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What a value has of a list. */
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
/** A text, or nothing. */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
