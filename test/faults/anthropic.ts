import { type Edit, edit, type Fault } from './fault.ts'

const USAGE = 'sidecar/providers/anthropic/usage.ts'
const STREAM = 'sidecar/providers/anthropic/stream.ts'
const BOUND = 'sidecar/providers/anthropic/bound.ts'
const METER = 'sidecar/metering/meter.ts'
const RATES = 'policy/rates.ts'

const costs = (name: string, only: string, edits: readonly Edit[]): Fault => ({
  name: `Anthropic: ${name}`,
  edits,
  test: 'test/integration/anthropic-costs.test.ts',
  only: ['each answer costs', only],
})
const bounded = (name: string, edits: readonly Edit[]): Fault => ({
  name: `Anthropic: ${name}`,
  edits,
  test: 'test/integration/anthropic-bound.test.ts',
  only: ['never below its bill'],
})
const aborted = (name: string, only: readonly string[], edits: readonly Edit[]): Fault => ({
  name: `Anthropic: ${name}`,
  edits,
  test: 'test/integration/anthropic-sdk-aborts.test.ts',
  only,
})

/** Faults of Anthropic's format. */
export const ANTHROPIC: readonly Fault[] = [
  costs(
    'cached tokens are counted twice, as if they were part of the input',
    'caches beside the input',
    edit(
      USAGE,
      'return { ...NO_USAGE, inputUncached, cacheRead,',
      'return { ...NO_USAGE, inputUncached: inputUncached + cacheRead, cacheRead,',
    ),
  ),
  costs(
    'thinking is added to the output that holds it',
    'caches beside the input',
    edit(USAGE, 'thinking > output ? output : output - thinking', 'output'),
  ),
  costs(
    'an hour in the cache is priced as five minutes',
    'caches beside the input',
    edit(RATES, '      cacheWrite1h,\n      outputVisible', '      cacheWrite1h: cacheWrite5m,\n      outputVisible'),
  ),
  costs(
    'a compaction is left out',
    'a compaction',
    edit(USAGE, "'compaction', 'advisor_message'", "'advisor_message'"),
  ),
  costs(
    'searches have no fee',
    'searches',
    edit(USAGE, 'hostedToolCalls: searches }', 'hostedToolCalls: 0 * searches }'),
  ),
  costs(
    'prepaid capacity costs twice as much',
    'priority',
    edit(
      USAGE,
      "    case 'priority':\n      return 'standard'",
      "      return 'standard'\n    case 'priority':\n      return 'priority'",
    ),
  ),
  costs(
    'what is kept in the US costs as everywhere',
    'kept in the US',
    edit(USAGE, "pace + place === '' ? undefined", "pace + place !== 'x' ? undefined"),
  ),
  {
    name: 'Anthropic: cumulative reports are summed',
    edits: edit(
      STREAM,
      'usage = { ...usage, ...Object.fromEntries(told) }',
      "const before = usage ?? {}\n    usage = { ...before, ...Object.fromEntries(told.map(([key, value]) => [key, typeof value === 'number' ? value + Number(before[key] ?? 0) : value])) }",
    ),
    test: 'test/integration/anthropic-costs.test.ts',
    only: ['again and again'],
  },
  {
    name: 'Anthropic: what a second model did is priced as the first',
    edits: edit(USAGE, "all.size > 1 ? [...all].sort().join(' and ') : variantOf", 'variantOf'),
    test: 'test/integration/anthropic-costs.test.ts',
    only: ['nobody has a price'],
  },
  bounded(
    'a picture is bounded below what one costs',
    edit(BOUND, 'IMAGE_TOKENS_MAX = 8_192', 'IMAGE_TOKENS_MAX = 500'),
  ),
  bounded(
    'the input is bounded at its plain rate, though all of it may be written to the cache',
    edit(RATES, 'max(max(input, cacheRead), max(cacheWrite5m, cacheWrite1h))', 'max(input, cacheRead)'),
  ),
  {
    name: 'Anthropic: hosted searches are bounded like one answer',
    edits: edit(
      BOUND,
      'const hosted = readHosted(json, body.tools)',
      'const hosted = null as ReturnType<typeof readHosted>',
    ),
    test: 'test/integration/anthropic-bound.test.ts',
    only: ['one that searches'],
  },
  {
    name: 'Anthropic: searches are bounded without their fee',
    edits: edit('sidecar/providers/anthropic/hosted.ts', 'callsMax: known.fee ? uses : 0', 'callsMax: 0 * uses'),
    test: 'test/integration/anthropic-bound.test.ts',
    only: ['one that searches'],
  },
  aborted(
    'the report at the start is taken for the last one',
    ['is ended at the provider', 'abort$'],
    edit(STREAM, 'if (isFinal || facts.usage === null) return facts', 'if (isFinal || facts) return facts'),
  ),
  aborted(
    'hidden thoughts are estimated by what was seen',
    ['is ended at the provider', 'thought unseen'],
    edit(BOUND, 'told === null && THINKS_WHEN_TOLD', 'told !== undefined && THINKS_WHEN_TOLD'),
  ),
  aborted(
    'an abort of what nothing bounds is free',
    ['that nothing bounds|what nothing bounds'],
    edit(METER, 'return known || outputBytes ?', 'return known && !outputBytes ?'),
  ),
  {
    name: 'Anthropic: signed thinking is redacted, and the next turn refused',
    edits: edit('sidecar/inspect/decide.ts', "sealed && action === 'redact' ? 'block' : action", 'action'),
    test: 'test/integration/anthropic-sdk-refusals.test.ts',
    only: ['leaves signed thinking alone'],
  },
  {
    name: 'Anthropic: a limit is lowered below the thinking budget',
    edits: edit('sidecar/providers/anthropic/messages.ts', 'if (lowered < budget)', 'if (lowered < 0)'),
    test: 'test/integration/anthropic-sdk-refusals.test.ts',
    only: ['lowers the limit'],
  },
  {
    name: 'Anthropic: redacted events lose their name, which its SDK passes over',
    edits: edit('sidecar/inspect/held-event.ts', '[...others, ', '[...others.slice(9), '),
    test: 'sidecar/test/anthropic-stream.test.ts',
    only: ['keeps the names'],
  },
]
