import t from 'tap'
import { passes, TENTH, testAction } from '../support/budget-matrix.ts'

t.test('a budget that only alerts counts and lets pass, in every scope and period', (t) =>
  testAction(t, {
    action: 'alert_only',
    breach: async (of) => {
      await passes(of, 'what is left is spent', 4 * TENTH)
      await passes(of, 'and more is let through', TENTH)
    },
    ofEverybody: 'o3',
    lasts: false,
  }),
)
