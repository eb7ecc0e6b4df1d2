import t from 'tap'
import { passes, SMALL, TENTH, testAction } from '../support/budget-matrix.ts'

t.test('a budget that throttles lets its requests a minute pass once it is spent, in every scope and period', (t) =>
  testAction(t, {
    action: 'throttle',
    spec: { throttle: { requestsPerMinute: 6 } },
    breach: async (of) => {
      const { t, name, cell, scope } = of
      await passes(of, 'what is left is spent', 4 * TENTH)
      await passes(of, 'one more is let through', TENTH)
      t.match(
        await cell.ask(scope.who, SMALL),
        { kind: 'denial', code: 'acc_budget_throttled', retryAfterS: 10, details: { subject: scope.subject } },
        `${name}: and then it is slowed down`,
      )
      await cell.pass(10_000)
      await passes(of, 'which ends when it says', TENTH)
    },
    ofEverybody: 'acc_budget_throttled',
    lasts: false,
  }),
)
