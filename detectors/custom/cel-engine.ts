/** The engine of conditions: 4 MB in every thread that loads it, so `engines.ts` does when a condition is there. */
export { Environment, serialize } from '@marcbachmann/cel-js'
