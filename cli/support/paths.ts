import { fileURLToPath } from 'node:url'

/** A path of the checkout that `acc` stands in. */
export const inCheckout = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
