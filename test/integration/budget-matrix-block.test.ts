import t from 'tap'
import { isRefused, passes, testAction } from '../support/budget-matrix.ts'

t.test('a budget that blocks is spent to its limit, and refuses then, in every scope and period', (t) =>
  testAction(t, {
    action: 'block',
    breach: async (of) => {
      await passes(of, 'what is left is spent')
      await isRefused(of, 'and then it is refused')
    },
    ofEverybody: 'acc_budget_exceeded',
    lasts: true,
  }),
)
