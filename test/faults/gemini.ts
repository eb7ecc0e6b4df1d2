import { type Edit, edit, type Fault } from './fault.ts'

const USAGE = 'sidecar/providers/gemini/usage.ts'
const STREAM = 'sidecar/providers/gemini/stream.ts'
const BOUND = 'sidecar/providers/gemini/bound.ts'
const GROUNDING = 'sidecar/providers/gemini/grounding.ts'
const CONFIG = 'sidecar/providers/gemini/config.ts'
const BOOK = 'policy/price-book.ts'
const METER = 'sidecar/metering/meter.ts'

const costs = (name: string, only: string, edits: readonly Edit[]): Fault => ({
  name: `Gemini: ${name}`,
  edits,
  test: 'test/integration/gemini-costs.test.ts',
  only: ['costs worked out by hand', only],
})
const bounded = (name: string, only: string, edits: readonly Edit[]): Fault => ({
  name: `Gemini: ${name}`,
  edits,
  test: 'test/integration/gemini-bound.test.ts',
  only: [only],
})
const NEVER_BELOW = 'bound of a request'
const refused = (name: string, only: string | readonly string[], edits: readonly Edit[]): Fault => ({
  name: `Gemini: ${name}`,
  edits,
  test: 'test/integration/gemini-sdk-refusals.test.ts',
  only: [only].flat(),
})

/** What its usage says: rows of the table of costs. */
const COSTS: readonly Fault[] = [
  costs(
    'thoughts are left out',
    'thoughts beside the candidates',
    edit(USAGE, 'outputReasoning: thoughts + untold', 'outputReasoning: untold'),
  ),
  costs(
    'thoughts that only the total tells are left out',
    'thoughts that only the total tells',
    edit(USAGE, 'outputReasoning: thoughts + untold', 'outputReasoning: thoughts'),
  ),
  costs(
    'cached tokens are counted twice',
    'a cache inside the prompt',
    edit(USAGE, 'cached > prompt ? input : input - cached', 'input'),
  ),
  costs(
    'the cached part is free',
    'a cache inside the prompt',
    edit(USAGE, '    cacheRead: cached,\n', '    cacheRead: 0,\n'),
  ),
  costs(
    'what hosted tools brought is left out',
    'results of hosted tools',
    edit(USAGE, '? prompt : prompt + tools', '? prompt : prompt'),
  ),
  costs(
    'the overflow is repriced instead of the whole request',
    'one token above',
    edit(
      BOOK,
      'const pico = count(used) * byField[field]',
      "const base = model.compiled.ratesAt(context.serviceTier, context.atMs, 0).byField\n    const below = field === 'inputUncached' ? Math.min(used, 100_000) : 0\n    const pico = count(used - below) * byField[field] + count(below) * base[field]",
    ),
  ),
  costs(
    'the cached part does not count for the context tier',
    'one token above',
    edit(BOOK, 'context.atMs, totalInputTokens(usage))', 'context.atMs, totalInputTokens(usage) - usage.cacheRead)'),
  ),
  costs(
    'thoughts above the threshold cost as below',
    'one token above',
    edit(
      BOOK,
      'const pico = count(used) * byField[field]',
      "const pico =\n      count(used) *\n      (field === 'outputReasoning' ? model.compiled.ratesAt(context.serviceTier, context.atMs, 0).byField : byField)[field]",
    ),
  ),
  costs(
    'a context tier begins at its own number',
    'leaves alone',
    edit(
      'policy/priced-model.ts',
      'if (inputTokens > tier.aboveInputTokens) found = tier',
      'if (inputTokens >= tier.aboveInputTokens) found = tier',
    ),
  ),
  costs(
    'a search has no fee',
    'a grounded request',
    edit(STREAM, 'hostedToolCalls: grounding.calls(responseModel ?? request.model)', 'hostedToolCalls: 0'),
  ),
  costs(
    'a grounded request is billed by the query',
    'a grounded request',
    edit(GROUNDING, 'PAYS_BY_REQUEST.test(model) ? Math.min(calls, 1) : calls', 'calls'),
  ),
  {
    name: 'Gemini: the queries of later models are billed as one',
    edits: edit(GROUNDING, 'PAYS_BY_REQUEST.test(model) ? Math.min(calls, 1) : calls', 'Math.min(calls, 1)'),
    test: 'test/integration/gemini-costs.test.ts',
    only: ['billed one by one'],
  },
  {
    name: 'Gemini: an empty query is billed',
    edits: edit(GROUNDING, "typeof value === 'string' && value !== ''", "typeof value === 'string'"),
    test: 'sidecar/test/gemini-usage.test.ts',
    only: ['grounding costs'],
  },
  costs(
    'the service tier of the request is billed',
    'not given',
    edit(STREAM, 'serviceTier: servedTier(rawUsage, request)', 'serviceTier: servedTier(null, request)'),
  ),
  costs(
    'the model that was asked for is billed',
    'another model',
    edit(
      METER,
      '  const { ask } = planned.inspected.authorized.identified\n  const { provider } = target\n',
      '  const { ask } = planned.inspected.authorized.identified\n  const { provider } = target\n  if (facts) return asked\n',
    ),
  ),
  costs(
    'a refused prompt is free',
    'a refused prompt',
    edit(
      USAGE,
      'inputUncached: uncached - audio - image',
      'inputUncached: candidates === 0 ? 0 : uncached - audio - image',
    ),
  ),
]

/** Streams and those who leave them. */
const STREAMS: readonly Fault[] = [
  {
    name: 'Gemini: usage is summed over the events of a stream',
    edits: edit(
      STREAM,
      'rawUsage = answer.usageMetadata ?? rawUsage',
      'const sum: Record<string, unknown> = isRecord(rawUsage) ? { ...rawUsage } : {}\n      for (const [key, value] of Object.entries(isRecord(answer.usageMetadata) ? answer.usageMetadata : {}))\n        sum[key] = typeof value === "number" ? value + Number(sum[key] ?? 0) : value\n      rawUsage = sum',
    ),
    test: 'test/integration/gemini-costs.test.ts',
    only: ['costs worked out by hand', 'input and output'],
  },
  {
    name: 'Gemini: the first report of a stream counts',
    edits: edit(STREAM, 'rawUsage = answer.usageMetadata ?? rawUsage', 'rawUsage = rawUsage ?? answer.usageMetadata'),
    test: 'sidecar/test/gemini-usage.test.ts',
    only: ['the last one counts'],
  },
  {
    name: 'Gemini: what half of a stream reported is taken for the whole',
    edits: edit(STREAM, 'reading.facts(ended())', 'reading.facts(true)'),
    test: 'sidecar/test/gemini-usage.test.ts',
    only: ['the last one counts'],
  },
  {
    name: 'Gemini: the first of several candidates ends the stream',
    edits: edit(STREAM, 'finished.size >= candidates', 'finished.size >= Math.min(1, candidates)'),
    test: 'sidecar/test/gemini-usage.test.ts',
    only: ['the last one to end'],
  },
  refused(
    'a call that is left is aborted, and billed unseen',
    'who leaves is drained',
    edit(
      'contract/providers.ts',
      "priceList: 'google', cancelStopsBilling: false",
      "priceList: 'google', cancelStopsBilling: true",
    ),
  ),
  refused(
    'an aborted stream is recorded at $0',
    'where the policy aborts',
    edit(
      METER,
      '    const reported = result.facts?.usage ?? null\n',
      "    if (result.outcome === 'aborted') return nothing('aborted', free)\n    const reported = result.facts?.usage ?? null\n",
    ),
  ),
  refused(
    'an aborted stream is estimated by what was seen of it',
    'where the policy aborts',
    edit(
      METER,
      '!result.readingWasPaused && stopsBilling',
      '!result.readingWasPaused && (stopsBilling || true)',
    ).concat(edit(BOUND, 'SHOWS_ALL_OUTPUT.test(model) &&', 'model !== "" &&')),
  ),
  refused(
    'an answer without usage is free',
    'without usage',
    edit(
      USAGE,
      'if (!isRecord(raw) || (raw.promptTokenCount ?? null) === null) return null',
      'if (!isRecord(raw)) return { ...NO_USAGE }',
    ),
  ),
]

/** Bounds, limits and what is seen of a request. */
const BOUNDS: readonly Fault[] = [
  bounded(
    'a picture is bounded below what one costs',
    NEVER_BELOW,
    edit(BOUND, 'IMAGE_TOKENS_MAX = 40_000', 'IMAGE_TOKENS_MAX = 100'),
  ),
  {
    name: 'Gemini: several candidates are reserved as if they were one',
    edits: edit(BOUND, 'choices: candidatesOf(json)', 'choices: Math.min(1, candidatesOf(json))'),
    test: 'sidecar/test/gemini-bound.test.ts',
    only: ['for each candidate'],
  },
  bounded(
    'a limit in the other spelling is passed over for that of the first',
    NEVER_BELOW,
    edit(
      CONFIG,
      'limits.length === 0 || limits.includes(null) ? null :',
      'limits.length === 0 || limits.includes(null) ? 1 :',
    ),
  ),
  bounded(
    'a batch of embeddings is bounded like a part of it',
    'batch of embeddings',
    edit(BOUND, 'bodyBytes -\n    media.imageBytes', 'Math.min(bodyBytes, 60) -\n    media.imageBytes'),
  ),
  {
    name: 'Gemini: a limit as text is none',
    edits: edit(
      'sidecar/providers/gemini/proto.ts',
      "typeof value === 'string' && value.length <= 32 ? Number(value) : value",
      'value',
    ),
    test: 'sidecar/test/gemini-bound.test.ts',
    only: ['also as text'],
  },
  bounded(
    'searches are bounded like one answer',
    'one that searches',
    edit(
      BOUND,
      'const hosted = hostedTools(model, json)\n  if',
      'const hosted = null as ReturnType<typeof hostedTools>\n  if',
    ),
  ),
  bounded(
    'a tool in the other spelling is passed over',
    'one that searches',
    edit(
      GROUNDING,
      "itemsOf(json, 'tools')\n",
      "itemsOf(json, 'tools')\n    .filter(({ value }) => isRecord(value) && Object.keys(value).every((key) => !key.includes('_')))\n",
    ),
  ),
  refused(
    'the limit is lowered in a field that the SDK does not write',
    'nearly spent',
    edit(CONFIG, 'const whole = `{"maxOutputTokens"', 'const whole = `{"max_tokens"'),
  ),
  refused(
    'arguments of earlier calls are not inspected',
    'a refusal is the SDK',
    edit(
      'sidecar/providers/gemini/segments.ts',
      "addMembers(into, 'tool_call', found, 'args')",
      "addMembers(into, 'tool_call', found, 'name')",
    ),
  ),
  refused(
    'a stream that is an array is not inspected',
    ['a refusal is the SDK', 'and one in an array'],
    edit(
      'sidecar/providers/gemini/content.ts',
      "contentType.startsWith('application/json') ? JSON_ARRAY : null",
      "contentType.startsWith('application/jsonl') ? JSON_ARRAY : null",
    ),
  ),
  refused(
    'an array that is cut does not tell why',
    ['a refusal is the SDK', 'and one in an array'],
    edit('sidecar/providers/gemini/content.ts', 'begun ? `,', 'begun ? `]` : begun ? `,'),
  ),
]

/** Faults of Gemini's format. */
export const GEMINI: readonly Fault[] = [...COSTS, ...STREAMS, ...BOUNDS]
