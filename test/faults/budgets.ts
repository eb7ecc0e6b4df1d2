import { type Edit, edit, type Fault } from './fault.ts'

const BOOK = 'policy/price-book.ts'
const RESERVE = 'sidecar/budget/reserve-stage.ts'
const HOLD = 'sidecar/budget/hold.ts'
const ACTIONS = 'sidecar/test/budget-actions.test.ts'

const budget = (name: string, only: string, edits: readonly Edit[]): Fault => ({
  name,
  edits,
  test: 'test/integration/budgets.test.ts',
  only: [only],
})

const action = (name: string, only: string, edits: readonly Edit[]): Fault => ({
  name: `actions: ${name}`,
  edits,
  test: ACTIONS,
  only: [only],
})

/** What budgets do beside refusing. */
export const ACTIONS_OF_BUDGETS: readonly Fault[] = [
  action(
    'the cheaper model is reserved and not asked',
    'goes to the cheaper model',
    edit(RESERVE, 'insteadOf === null ? asked :', 'asked.body.length > 0 ? asked :'),
  ),
  action(
    'the cheaper model is asked for more than it gives',
    'goes to the cheaper model',
    edit(HOLD, 'usage === null || most === null', 'usage === null || most !== -1'),
  ),
  action(
    'a dearer model is taken for a cheaper one',
    'goes to the cheaper model',
    edit('sidecar/budget/downgrade.ts', ' < stays ? [other] : []', ' >= 0n ? [other] : []'),
  ),
  action(
    'the lost cache costs nothing',
    'prompt cache saves',
    edit('sidecar/budget/downgrade.ts', 'costOf(target, cache.cached(principal, target.model))', 'costOf(target, 0)'),
  ),
  action(
    'what was charged since the last answer does not count',
    'blocks from 90 %',
    edit('sidecar/budget/pressure.ts', 'nanoUsd(spent + charged - toldCharged)', 'nanoUsd(charged - toldCharged)'),
  ),
  action(
    'a throttle gives out everything at once',
    'requests a minute pass',
    edit('sidecar/throttle.ts', 'MINUTE_MS / requestsPerMinute', '0 / requestsPerMinute'),
  ),
  action(
    'a budget that denies goes on with its lease',
    'control plane is away',
    edit(
      'sidecar/budget/gate.ts',
      "mode === 'enforce' && onDisconnect === 'deny'",
      "mode === 'audit' && onDisconnect === 'deny'",
    ),
  ),
  action(
    'a budget that allows is held to its lease',
    'control plane is away',
    edit(
      'sidecar/budget/holder.ts',
      "(isAway && slot.book.budget.onDisconnect === 'allow')",
      "(isAway && slot.book.budget.onDisconnect === 'deny')",
    ),
  ),
]

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
    edit(
      RESERVE,
      'clamped === null ? addressed.body : adapter.limitOutput(addressed.body, request, clamped)',
      'addressed.body',
    ),
  ),
  budget(
    'the limit is told in a field that the client did not use',
    'the output limit is lowered',
    edit('sidecar/providers/openai/chat.ts', '(fields.length > 0 ? fields : [limitField])', '[limitField]'),
  ),
  budget(
    'the limit is lowered below what is of use',
    'none below what is of use',
    edit(HOLD, 'perChoice === null || perChoice < fewest', 'perChoice === null'),
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
    edit('sidecar/budget/refusal.ts', '{ details, retryAfterS: secondsTo(clock, shortage.resetsAtMs) }', '{ details }'),
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
