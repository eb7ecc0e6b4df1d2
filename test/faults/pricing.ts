import { type Edit, edit, type Fault } from './fault.ts'

const USAGE = 'sidecar/providers/openai/usage.ts'
const STREAM = 'sidecar/providers/openai/stream.ts'
const METER = 'sidecar/metering/meter.ts'
const RATES = 'policy/rates.ts'
const BOOK = 'policy/price-book.ts'

const golden = (name: string, only: string, edits: readonly Edit[]): Fault => ({
  name,
  edits,
  test: 'test/integration/golden-openai.test.ts',
  only: ['what is exact', only],
})

/** Prices and usage. */
export const PRICING: readonly Fault[] = [
  golden(
    'cached tokens are counted twice',
    'cached tokens are counted once',
    edit(USAGE, 'promptAll - cached - written - audioInput', 'promptAll - written - audioInput'),
  ),
  golden(
    'cache reads are priced as output',
    'cache reads cost',
    edit(
      RATES,
      '      cacheRead,\n      cacheWrite5m,\n      cacheWrite1h,\n      outputVisible',
      '      cacheRead: output,\n      cacheWrite5m,\n      cacheWrite1h,\n      outputVisible',
    ),
  ),
  golden(
    'base input is priced at $0',
    'input outside the cache',
    edit(RATES, 'inputUncached: input,', 'inputUncached: 0n,'),
  ),
  golden(
    'cache writes are priced as input',
    'cache writes have a price',
    edit(
      RATES,
      '      cacheWrite5m,\n      cacheWrite1h,\n      outputVisible',
      '      cacheWrite5m: input,\n      cacheWrite1h,\n      outputVisible',
    ),
  ),
  golden(
    'cache writes without a price are free',
    'cache writes cost the input',
    edit(RATES, 'stated(rates.cacheWrite5m) ?? input', 'stated(rates.cacheWrite5m) ?? 0n'),
  ),
  golden(
    'cumulative chunks are summed',
    'every chunk',
    edit(
      STREAM,
      'usageSoFar = readUsage(reported, dialect)',
      'const next = readUsage(reported, dialect)\n      usageSoFar = next && { ...next, outputVisible: next.outputVisible + (usageSoFar?.outputVisible ?? 0) }',
    ),
  ),
  golden(
    'a usage that is reported twice is added',
    'twice',
    edit(
      STREAM,
      'usageSoFar = readUsage(reported, dialect)',
      'const next = readUsage(reported, dialect)\n      usageSoFar = next && { ...next, inputUncached: next.inputUncached + (usageSoFar?.inputUncached ?? 0) }',
    ),
  ),
  golden(
    'usage is only read of a chunk without choices',
    'last choice',
    edit(STREAM, 'if (reported !== null) {', 'if (reported !== null && choices.length === 0) {'),
  ),
  golden('the overflow is repriced instead of the whole request', 'above the threshold the whole', [
    ...edit(
      BOOK,
      'const pico = count(used) * byField[field]',
      'const above = field === "inputUncached" ? Math.max(0, used - 272_000) : 0\n    const pico = count(above) * byField[field] + count(used - above) * below[field]',
    ),
    ...edit(
      BOOK,
      'const components: Partial<Record<UsageField, PicoUsd>> = {}',
      'const below = model.compiled.ratesAt(context.serviceTier, context.atMs, 0).byField\n  const components: Partial<Record<UsageField, PicoUsd>> = {}',
    ),
  ]),
  golden(
    'a threshold begins at its own number',
    'up to the threshold',
    edit(
      'policy/priced-model.ts',
      'if (inputTokens > tier.aboveInputTokens) found = tier',
      'if (inputTokens >= tier.aboveInputTokens) found = tier',
    ),
  ),
  golden(
    'the cached part does not count for the threshold',
    'counts the cached part',
    edit(BOOK, 'context.atMs, totalInputTokens(usage))', 'context.atMs, totalInputTokens(usage) - usage.cacheRead)'),
  ),
  ...['batch', 'flex', 'priority'].map((tier) =>
    golden(
      `${tier} above a threshold is priced without it`,
      `^${tier} above`,
      edit(
        RATES,
        'combine(tier.rates, hour, service, base)',
        'combine(service ? base : tier.rates, hour, service, base)',
      ),
    ),
  ),
  golden(
    'reasoning is priced at the base tier',
    'reasoning above the threshold',
    edit(
      BOOK,
      'const pico = count(used) * byField[field]',
      "const pico =\n      count(used) *\n      (field === 'outputReasoning' ? model.compiled.ratesAt(context.serviceTier, context.atMs, 0).byField : byField)[field]",
    ),
  ),
  golden(
    'reasoning inside the completion is added to it',
    'reasoning is part',
    edit(USAGE, '? completion + reasoning : completion', '? completion + reasoning : completion + reasoning'),
  ),
  golden(
    'reasoning beside the completion is left out',
    'reasoning comes on top',
    edit(USAGE, '? completion + reasoning : completion', '? completion : completion'),
  ),
  golden(
    'audio tokens are counted twice',
    'audio tokens are parts',
    edit(USAGE, 'completionAll - reasoning - audioOutput', 'completionAll - reasoning'),
  ),
  golden(
    'predicted tokens are added to the completion',
    'predicted tokens',
    edit(
      USAGE,
      'const completion = readCount(raw.completion_tokens)',
      'const predicted = isRecord(raw.completion_tokens_details) ? Number(raw.completion_tokens_details.rejected_prediction_tokens ?? 0) : 0\n  const counted = readCount(raw.completion_tokens)\n  const completion = counted === null ? null : counted + predicted',
    ),
  ),
  golden(
    'the service tier of the request is billed',
    'the service tier that was served',
    edit(
      METER,
      'const cost = prices.cost(model, usage, { serviceTier: result.facts?.serviceTier ?? null, atMs })',
      "const asked = ask.kind === 'metered' && ask.request.json.service_tier === 'flex' ? 'flex' : null\n      const cost = prices.cost(model, usage, { serviceTier: asked ?? result.facts?.serviceTier ?? null, atMs })",
    ),
  ),
  golden(
    'the model that was asked for is billed',
    'the model that answered',
    edit(
      METER,
      '  const { ask } = planned.inspected.authorized.identified\n  const { provider } = target\n',
      '  const { ask } = planned.inspected.authorized.identified\n  const { provider } = target\n  if (facts) return asked\n',
    ),
  ),
  golden(
    'a served model is found by how its name begins',
    'under an unknown name',
    edit(
      'policy/card-index.ts',
      "const family = byName.get(SNAPSHOT.exec(name)?.[1] ?? '')",
      "const family = byName.get(SNAPSHOT.exec(name)?.[1] ?? '') ?? [...byName].find(([known]) => name.startsWith('gpt-4.1-mini') && known === 'gpt-4.1-mini')?.[1]",
    ),
  ),
  {
    name: 'a model is found by how its name begins',
    edits: edit(
      'policy/card-index.ts',
      "const family = byName.get(SNAPSHOT.exec(name)?.[1] ?? '')",
      'const family = [...byName].find(([known]) => name.startsWith(known))?.[1]',
    ),
    test: 'test/integration/golden-openai.test.ts',
    only: ['a model without a price'],
  },
  {
    name: 'a model without a price is told to cost what the dearest does',
    edits: edit(
      METER,
      "if (model.foundBy === 'worstCase') return { ...UNPRICED, usage, charged: cost.total }\n      return",
      'return',
    ),
    test: 'test/integration/golden-openai.test.ts',
    only: ['a model without a price'],
  },
  {
    name: 'a model without a price is free',
    edits: edit(
      METER,
      "if (model.foundBy === 'worstCase') return { ...UNPRICED, usage, charged: cost.total }\n      return",
      "if (model.foundBy === 'worstCase') return { ...UNPRICED, usage, charged: ZERO_USD }\n      return",
    ),
    test: 'test/integration/golden-openai.test.ts',
    only: ['a model without a price'],
  },
]
