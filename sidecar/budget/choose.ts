/** What budgets do with a request: refuse it, slow it down, send it to a cheaper model, or let it have its money. */
import { type BudgetDecision, formatUsd, minUsd, type NanoUsd } from '@agentcostcontrol/contract'
import type { CompiledBudget, MatchedBudget } from '@agentcostcontrol/policy'
import { type BudgetNotices, type Denial, type Inspected, isDenial } from '../exchange.ts'
import type { Throttle } from '../throttle.ts'
import { told } from '../told.ts'
import { cheaperThan, type DowngradeOptions } from './downgrade.ts'
import {
  type Held,
  type Holding,
  type HoldOptions,
  hold,
  type MeteredAsk,
  mostItCosts,
  type PricedTarget,
} from './hold.ts'
import type { Pressure } from './pressure.ts'
import { blockedEarly, pressureDecision, throttled } from './refusal.ts'
import { AttemptSpender } from './spender.ts'

/** What {@link choose} needs. */
export interface ChooseOptions extends HoldOptions, DowngradeOptions {
  readonly throttle: Throttle
}

/** What was chosen. */
export interface Chosen {
  readonly holding: Holding
  readonly notices: BudgetNotices
}

/** Nothing to tell. */
export const NO_NOTICES: BudgetNotices = Object.freeze({ warnings: Object.freeze([]), remainingUsd: null })

/** Reserves for the target, or for a cheaper model where a budget says so (each of its chain at most once). */
export function choose(options: ChooseOptions, inspected: Inspected, ask: MeteredAsk, target: PricedTarget): Chosen {
  const budgets = budgetsOf(options, inspected, target)
  const pressed = options.gate.pressure(budgets)
  const holding =
    refusedEarly(options, inspected, ask, target, pressed) ??
    chooseAmong(options, inspected, ask, target, budgets, pressed)
  return { holding, notices: noticesOf(pressed) }
}

const budgetsOf = (
  { prices }: HoldOptions,
  { authorized }: Inspected,
  target: PricedTarget,
): readonly MatchedBudget[] => authorized.policy.budgetsFor(new AttemptSpender(authorized, target, prices))

const does = ({ budget, actions }: Pressure, action: Pressure['actions'][number]): boolean =>
  budget.mode === 'enforce' && actions.includes(action)

/** Refuses for a budget that blocks before it is spent, or that only lets some requests a minute pass. */
function refusedEarly(
  options: ChooseOptions,
  inspected: Inspected,
  ask: MeteredAsk,
  target: PricedTarget,
  pressed: readonly Pressure[],
): Denial | null {
  const { clock, throttle } = options
  const asked = (): NanoUsd | null => mostItCosts(options, inspected, ask, target)
  for (const each of pressed) {
    const { budget, percent } = each
    const blocks = budget.steps.some(({ at, action }) => action === 'block' && at < WHOLE && percent >= at)
    if (blocks && budget.mode === 'enforce') return blockedEarly(clock, each, asked())
  }
  for (const each of pressed) {
    const { budget, key } = each
    if (budget.throttledPerMinute === null || !does(each, 'throttle')) continue
    const nowMs = clock.monotonicMs()
    throttle.slow(key, { requestsPerMinute: budget.throttledPerMinute, forMs: Number.POSITIVE_INFINITY }, nowMs)
    const waitMs = throttle.take(key, nowMs)
    if (waitMs > 0) return throttled(each, asked(), waitMs)
  }
  return null
}

const WHOLE = 100

function chooseAmong(
  options: ChooseOptions,
  inspected: Inspected,
  ask: MeteredAsk,
  target: PricedTarget,
  budgets: readonly MatchedBudget[],
  pressed: readonly Pressure[],
): Holding {
  const asked = (): Holding => hold(options, inspected, ask, target, budgets)
  const instead = (
    targets: readonly PricedTarget[],
    decision: () => BudgetDecision | null,
    otherwise: () => Holding,
  ): Holding => {
    const [other, ...more] = targets
    if (other === undefined) return otherwise()
    const own = budgetsOf(options, inspected, other)
    // Those that both models share have been asked: a throttle would count the request twice.
    const others = options.gate.pressure(own).filter(({ key }) => pressed.every((each) => each.key !== key))
    const refusal = refusedEarly(options, inspected, withModel(ask, other), other, others)
    if (refusal !== null) return instead(more, decision, otherwise)
    return after(
      hold(options, inspected, withModel(ask, other), other, own),
      () => instead(more, decision, otherwise),
      (held) => ({ ...held, decision: downgraded(decision(), target.model) }),
    )
  }
  const cheaper = (by: readonly CompiledBudget[]): readonly PricedTarget[] =>
    cheaperThan(options, inspected, ask, target, by)
  const due = pressed.filter((each) => does(each, 'downgrade_model'))
  const [first] = due
  if (first !== undefined)
    return instead(
      cheaper(due.map(({ budget }) => budget)),
      () => pressureDecision('downgrade_model', first, mostItCosts(options, inspected, ask, target)),
      asked,
    )
  // The refusal that is told is that of the model which was asked for.
  return after(asked(), (refusal) => {
    if (!isSpent(refusal)) return refusal
    const short = budgets.map(({ budget }) => budget).filter(({ name }) => name === refusal.details.budget)
    return instead(
      cheaper(short),
      () => refusal.budgetDecision,
      () => refusal,
    )
  })
}

const downgraded = (decision: BudgetDecision | null, model: string): BudgetDecision | null =>
  decision && { ...decision, action: 'downgrade_model', asked_model: told(model, MODEL_CHARS_MAX) }

const MODEL_CHARS_MAX = 256

const isSpent = ({ code }: Denial): boolean => code === 'acc_budget_exceeded'

/** A copy: the request itself is changed once it is sure where it goes. */
const withModel = (ask: MeteredAsk, { model }: PricedTarget): MeteredAsk => ({
  ...ask,
  request: { ...ask.request, model },
})

function after(
  holding: Holding,
  refused: (refusal: Denial) => Holding,
  taken: (held: Held) => Held = (held) => held,
): Holding {
  const conclude = (held: Awaited<Holding>): Holding => {
    if (isHeld(held)) return taken(held)
    return isDenial(held) ? refused(held) : held
  }
  return holding instanceof Promise ? holding.then(conclude) : conclude(holding)
}

const isHeld = (held: Awaited<Holding>): held is Held => 'reservation' in held

function noticesOf(pressed: readonly Pressure[]): BudgetNotices {
  const near = pressed.filter(({ percent, budget }) => percent >= budget.warning)
  const [first, ...more] = near
  if (first === undefined) return NO_NOTICES
  const remaining = more.reduce((least, each) => minUsd(least, each.remaining), first.remaining)
  return {
    warnings: near.map(({ budget, percent }) => `budget ${budget.name} is spent to ${percent} %`),
    remainingUsd: formatUsd(remaining),
  }
}
