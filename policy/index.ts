export { compilePolicy } from './compile.ts'
export { createPriceBook } from './price-book.ts'
export { assertRateCard, RateCardError, readRateCard } from './rate-card.ts'
export type * from './types.ts'
