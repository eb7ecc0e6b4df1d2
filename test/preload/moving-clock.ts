/**
 * Loaded in front of a sidecar or of a control plane (`--import`), its workers included: its wall clock is wrong by as
 * many ms as stand in the file `TEST_CLOCK_FILE`, and moves when that changes. The monotonic clock does not.
 */
import { readFileSync } from 'node:fs'

const file = process.env.TEST_CLOCK_FILE ?? ''
const LOOK_MS = 50
const RightDate = Date
let shiftMs = 0
let lookAgainAtMs = 0

function now(): number {
  const monotonicMs = performance.now()
  if (monotonicMs >= lookAgainAtMs) {
    lookAgainAtMs = monotonicMs + LOOK_MS
    shiftMs = Number(readFileSync(file, 'utf8'))
  }
  return RightDate.now() + shiftMs
}

globalThis.Date = new Proxy(RightDate, {
  // `Date()` is a text, `new Date()` an object.
  apply: () => new RightDate(now()).toString(),
  construct: (_, parameters, target) =>
    Reflect.construct(RightDate, parameters.length === 0 ? [now()] : parameters, target),
  get: (own, name) => (name === 'now' ? now : Reflect.get(own, name)),
})
