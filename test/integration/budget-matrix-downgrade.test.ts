import t from 'tap'
import { isRefused, note, passes, SMALL, TENTH, testAction } from '../support/budget-matrix.ts'

t.test('a budget that downgrades sends what it cannot pay for to the cheaper model, in every scope and period', (t) =>
  testAction(t, {
    action: 'downgrade_model',
    spec: { downgrade: ['gpt-4.1-nano'] },
    breach: async (of) => {
      const { t, name, cell, scope } = of
      const isCheaper = async (request: { readonly outputTokens: number; readonly prompt?: number }, why: string) => {
        const { to, cost } = await cell.spend(scope.who, request, TENTH)
        t.equal(to, 'gpt-4.1-nano', `${name}: ${why}`)
        note(of, scope.nano, cost)
      }
      await isCheaper({ outputTokens: 16, prompt: 5_000 }, 'what it cannot pay for goes to the cheaper model')
      await passes(of, 'what is left is spent')
      if (scope.nano === scope.subject) await isRefused(of, 'and then it is refused, by any model')
      else await isCheaper(SMALL, 'and then it goes on with the cheaper model, for which it does not hold')
    },
    ofEverybody: 'acc_budget_exceeded',
    lasts: false,
    onceAfterWindow: 'gpt-4.1-nano',
  }),
)
