import { type Edit, edit, type Fault } from './fault.ts'

const BOOK = 'policy/price-book.ts'
const RESERVE = 'sidecar/budget/reserve-stage.ts'

const budget = (name: string, only: string, edits: readonly Edit[]): Fault => ({
  name,
  edits,
  test: 'test/integration/budgets.test.ts',
  only: [only],
})

/** Budgets that are passed. */
export const BUDGETS: readonly Fault[] = [
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
