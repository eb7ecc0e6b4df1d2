import { ANTHROPIC } from './anthropic.ts'
import { COMPATIBLE } from './compatible.ts'
import { CONTROL_PLANE } from './control-plane.ts'
import { EMBEDDINGS } from './embeddings.ts'
import { type Edit, edit, type Fault } from './fault.ts'
import { GEMINI } from './gemini.ts'
import { REQUESTS } from './requests.ts'
import { RESPONSES } from './responses.ts'

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
const PRICING: readonly Fault[] = [
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

const estimated = (name: string, only: string, edits: readonly Edit[]): Fault => ({
  name,
  edits,
  test: 'test/integration/golden-openai.test.ts',
  only: ['what is not known', only],
})
const RESULT = '    const reported = result.facts?.usage ?? null\n'

/** Spend that gets lost. */
const LOST: readonly Fault[] = [
  estimated(
    'a usage that is absent is taken for zero',
    'absent is not zero',
    edit(METER, RESULT, '    const reported = result.facts?.usage ?? NO_USAGE\n'),
  ),
  estimated(
    'the tokens of a failed stream are lost',
    'that failed',
    edit(METER, RESULT, `    if (result.outcome === 'failed') return nothing('failed', free)\n${RESULT}`),
  ),
  estimated(
    'an aborted stream is recorded at $0',
    'aborts is not free',
    edit(METER, RESULT, `    if (result.outcome === 'aborted') return nothing('aborted', free)\n${RESULT}`),
  ),
  estimated(
    'half a report is taken for a whole one',
    'what its chunks told',
    edit(STREAM, 'usage = choices.every(isFinished) ? usageSoFar : null', 'usage = usageSoFar'),
  ),
  estimated(
    'an unbounded request without usage is free',
    'that nothing bounds',
    edit(
      'sidecar/budget/reserve-stage.ts',
      'bound: bound ?? usageBound(asked.bound, priced), clamped',
      'bound, clamped',
    ),
  ),
  {
    name: 'a client that reads every word and leaves before the usage pays only for what it saw',
    edits: edit(METER, 'const TAIL_TOKENS = 400', 'const TAIL_TOKENS = 0'),
    test: 'test/integration/ways-out-left.test.ts',
    only: ['not waited for', 'every delta'],
  },
  {
    name: 'hidden thoughts are estimated by what was seen',
    edits: edit('sidecar/providers/openai/bound.ts', '    showsAllOutput(model) &&\n', ''),
    test: 'test/integration/ways-out-left.test.ts',
    only: ['not waited for', 'also thinks'],
  },
  {
    name: 'a provider that was ahead of a slow client is estimated by what was seen',
    edits: edit(METER, '(!result.readingWasPaused && stopsBilling)', 'stopsBilling'),
    test: 'test/integration/ways-out-left.test.ts',
    only: ['not waited for', 'never read from'],
  },
  {
    name: 'a stream that stops without its end mark is counted as whole',
    edits: edit(METER, "result.outcome === 'cut' || !result.endSeen", "result.outcome === 'cut'"),
    test: 'test/integration/ways-out-answered.test.ts',
    only: ['a provider that answers', 'stops as if'],
  },
  {
    name: 'a hold leaks when a stream breaks before its first chunk',
    edits: edit(
      'sidecar/close.ts',
      "  if (cover.kind === 'covered') closers.outbox",
      "  if (forwarded.status === null && forwarded.result.outcome === 'failed') return\n  if (cover.kind === 'covered') closers.outbox",
    ),
    test: 'test/integration/ways-out-answered.test.ts',
    only: ['a provider that fails', 'breaks before the answer'],
  },
  {
    name: 'a client that leaves while it is waited for is waited for, for ever',
    edits: edit('sidecar/accept/client.ts', '    this.#proceed()\n    onClosed?.()', '    onClosed?.()'),
    test: 'test/integration/ways-out-left.test.ts',
    only: ['read to its end', 'never read from'],
  },
  {
    name: 'events are buffered for ten seconds, and dropped on SIGTERM',
    edits: edit(
      'sidecar/events/outbox.ts',
      '    events.push(event)\n    schedule()\n',
      '    setTimeout(() => {\n      events.push(event)\n      schedule()\n    }, 10_000).unref()\n',
    ),
    test: 'test/integration/ways-out-shutdown.test.ts',
    only: ['breaks everything off'],
  },
  {
    name: 'a write that fails takes its events with it',
    edits: edit('sidecar/events/outbox.ts', 'events = [...group.events, ...events]', 'events = [...events]'),
    test: 'test/integration/lost-spend.test.ts',
    only: ['while the record cannot be written'],
  },
  {
    name: 'requests are sent before their intent is on disk',
    edits: edit(
      'sidecar/events/outbox.ts',
      'intents.push({ seq, intent, resolve, reject })\n        schedule()',
      'setTimeout(() => {\n          if (intent.seq !== seq) return\n          intents.push({ seq, intent, resolve: () => {}, reject: () => {} })\n          schedule()\n        }, 60_000)\n        resolve()',
    ),
    test: 'test/chaos/kill-nine.test.ts',
    only: ['while it starts again'],
  },
  {
    name: 'what was under way at a kill is told and not charged',
    edits: edit(
      'sidecar/events/spend-core.ts',
      'if (account) account.charged =',
      'if (account && bound < 0n) account.charged =',
    ),
    test: 'test/chaos/kill-nine.test.ts',
    only: ['while it starts again'],
  },
  {
    name: 'what was under way at a kill is told again at each start',
    edits: edit('sidecar/events/spend-core.ts', '      db.deleteIntent(seq)\n', ''),
    test: 'test/chaos/kill-nine.test.ts',
    only: ['while it starts again'],
  },
  {
    name: 'an answer whose client left is told as completed',
    edits: edit('sidecar/upstream/forward.ts', 'client.gone ? withoutClient(result) : result', 'result'),
    test: 'test/integration/ways-out-left.test.ts',
    only: ['read to its end', 'in the middle of a stream$'],
  },
  {
    name: 'a second sidecar works on the same folder',
    edits: edit('sidecar/events/folder-lock.ts', 'BEGIN EXCLUSIVE', 'BEGIN'),
    test: 'test/chaos/data-folder.test.ts',
    only: ['a second sidecar'],
  },
  {
    name: 'what a lost outbox held is granted again',
    edits: edit('sidecar/budget/local-ledger.ts', 'rows.filter((row) => row !== own)', 'rows.filter(() => false)'),
    test: 'test/chaos/data-folder.test.ts',
    only: ['a damaged outbox'],
  },
]

const budget = (name: string, only: string, edits: readonly Edit[]): Fault => ({
  name,
  edits,
  test: 'test/integration/budgets.test.ts',
  only: [only],
})
const RESERVE = 'sidecar/budget/reserve-stage.ts'

/** Budgets that are passed. */
const BUDGETS: readonly Fault[] = [
  budget(
    'parallel turns all pass: check, then increment',
    'a burst of a hundred',
    edit(
      'sidecar/budget/holder.ts',
      '      account.uncharged = nanoUsd(account.uncharged + bound)\n      account.usedAtMs',
      '      account.usedAtMs',
    ),
  ),
  budget(
    'context tiers are left out of the reservation',
    'a long prompt',
    edit(
      BOOK,
      '      if (tier.aboveInputTokens >= bound.inputTokensMax) break\n      const pico',
      '      if (tier.aboveInputTokens >= 0) break\n      const pico',
    ),
  ),
  budget(
    'a hard stop looks at what was spent before the request',
    'a hard stop is one',
    edit('sidecar/budget/holder.ts', 'balanceOf(slot.account) >= bound &&', 'balanceOf(slot.account) > 0n &&'),
  ),
  budget(
    'a reservation is shrunk and the provider is not told',
    'the output limit is lowered',
    edit(RESERVE, 'clamped === null ? body : adapter.limitOutput(body, request, clamped)', 'body'),
  ),
  budget(
    'the limit is told in a field that the client did not use',
    'the output limit is lowered',
    edit('sidecar/providers/openai/chat.ts', '(fields.length > 0 ? fields : [limitField])', '[limitField]'),
  ),
  budget(
    'the limit is lowered below what is of use',
    'none below what is of use',
    edit(RESERVE, 'perChoice === null || perChoice < fewest', 'perChoice === null'),
  ),
  budget(
    'a bill above the bound is clipped',
    'does not keep to the limit',
    edit(
      'sidecar/close.ts',
      'charged: metered.charged }',
      "charged: reserved.cover.kind === 'covered' && metered.charged > reserved.cover.intent.reservation.bound ? reserved.cover.intent.reservation.bound : metered.charged }",
    ),
  ),
  budget(
    'a refusal does not say when to come again',
    'a refusal names the budget',
    edit(RESERVE, '{ details, retryAfterS: resetsInS }', '{ details }'),
  ),
  budget(
    'an agent renames itself',
    'fresh money by another name',
    edit('sidecar/principal.ts', '!trusted.has(part) || fixed[part]', 'fixed[part]'),
  ),
  budget(
    'endpoints that nobody meters pass by the budgets',
    'no way around a budget',
    edit(
      'sidecar/authorize.ts',
      "if (billable && provider.onUnbounded !== 'allowCounted')",
      'if (billable && provider.name === "")',
    ),
  ),
  budget(
    'a client turns off the usage report',
    'ride for free',
    edit(
      'sidecar/providers/openai/chat.ts',
      '(options.include_usage ?? false)',
      '(options.include_usage === undefined ? false : null)',
    ),
  ),
]

/** Guards that silently do nothing, and work that is done again and again. */
const GUARDS: readonly Fault[] = [
  {
    name: '`stream: true` skips the inspection of answers',
    edits: edit(
      'sidecar/answer/stream-filter.ts',
      'inspection && inspection.set.detectors.length > 0',
      'inspection && inspection.set.detectors.length > 99',
    ),
    test: 'test/integration/ways-out-answered.test.ts',
    only: ['a security policy for answers', 'in a stream'],
  },
  {
    name: 'plain answers are not inspected',
    edits: edit(
      'sidecar/answer/plain.ts',
      'const judging = inspection === null ?',
      'const judging = inspection !== undefined ?',
    ),
    test: 'test/integration/ways-out-answered.test.ts',
    only: ['a security policy for answers', 'in a plain answer'],
  },
  {
    name: 'a conversation that grows is scanned from its beginning at every turn',
    edits: edit('sidecar/inspect/verdict-cache.ts', 'this.#findSlot(key) === -1 ?', 'this.#findSlot(key) >= -1 ?'),
    test: 'test/integration/inspection.test.ts',
    only: ['scanned once'],
  },
]

/** Every fault. */
export const FAULTS: readonly Fault[] = [
  ...PRICING,
  ...LOST,
  ...BUDGETS,
  ...GUARDS,
  ...ANTHROPIC,
  ...COMPATIBLE,
  ...CONTROL_PLANE,
  ...EMBEDDINGS,
  ...GEMINI,
  ...RESPONSES,
  ...REQUESTS,
]
