import { createRequire } from 'node:module'
import type * as Cel from './cel-engine.ts'
import type * as Re2 from './re2-engine.ts'

const load = createRequire(import.meta.url)

/** Beside this file in the checkout; beside the bundle, by the same names, in a shipped folder. */
const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

/** RE2 in JavaScript, loaded by the first who asks: few policies have patterns, and every thread would hold it. */
export const re2 = (): typeof Re2 => load(`./re2-engine.${extension}`)

/** CEL, loaded by the first who asks. */
export const cel = (): typeof Cel => load(`./cel-engine.${extension}`)
