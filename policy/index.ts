export { SEVERAL_KEYS } from './budget-selector.ts'
export { assemblePolicy, checkPolicy, compilePolicy, policyRevision } from './compile.ts'
export { checkBeside } from './compile-beside.ts'
export {
  explainPrice,
  type MissingPrice,
  type PriceQuestion,
  type PriceSearch,
  type PriceSpan,
  providerNamed,
} from './explain-price.ts'
export { findListedPrice, findPrice, worstPrice } from './find-price.ts'
export { folderProblem, readFolder, viewFolder } from './folder.ts'
export { EMPTIED_FOLDER, type FolderWatch, type FolderWatchOptions, watchFolder } from './folder-watch.ts'
export { countAlike } from './loops.ts'
export { createPriceBook } from './price-book.ts'
export { assertRateCard, RateCardError, readRateCard } from './rate-card.ts'
export { type NotRecomputed, type PriceSource, type PricesThen, type Recomputed, recompute } from './recompute.ts'
export { budgetText, type Resets, withResets } from './resets.ts'
export { nearest } from './suggest.ts'
export type * from './types.ts'
