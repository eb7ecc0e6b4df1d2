/** The engine of patterns: 2 MB in every thread that loads it, so `engines.ts` does when a pattern is there. */
export { RE2JS } from 're2js'
