import type { SegmentSource } from '@agentcostcontrol/contract'
import type { SelfTestedDetector } from '../types.ts'
import { type OrderDetector, toFinding } from './findings.ts'
import { scanWords, WORDS_VERSION } from './scan-words.ts'

/** Whose text may hold orders that are not its own to give. */
const SOURCES: readonly SegmentSource[] = ['user', 'tool_result', 'tool_definition']

/** A detector of one kind of orders to a model: a region belongs to the kind of the best that was seen in it. */
export function createOrderDetector(options: OrderDetector & { readonly canary: () => string }): SelfTestedDetector {
  const { id, grades, canary } = options
  return {
    id,
    sources: SOURCES,
    grades,
    rulesOff: [],
    version: WORDS_VERSION,
    holdCharsMax: 0,
    detect: (text, { source }) =>
      scanWords(text)
        .orders.filter(({ kind }) => kind === id)
        .map((region) => toFinding(options, region, source)),
    openFrom: (text) => text.length,
    canary,
  }
}
