/**
 * Loaded in front of a sidecar (`--import`), its workers included: its wall clock is wrong by `TEST_CLOCK_SHIFT_MS`. The
 * monotonic clock is not, as it is not on a machine whose clock was set wrong.
 */
const shiftMs = Number(process.env.TEST_CLOCK_SHIFT_MS)
const RightDate = Date
const now = (): number => RightDate.now() + shiftMs

globalThis.Date = new Proxy(RightDate, {
  // `Date()` is a text, `new Date()` an object.
  apply: () => new RightDate(now()).toString(),
  construct: (_, parameters, target) =>
    Reflect.construct(RightDate, parameters.length === 0 ? [now()] : parameters, target),
  get: (own, name) => (name === 'now' ? now : Reflect.get(own, name)),
})
