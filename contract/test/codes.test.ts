import t from 'tap'
import { CODES, counterKey, NO_USAGE, totalInputTokens, totalOutputTokens, USAGE_FIELDS } from '../index.ts'

t.test('every code stands once and is written in the one form', async (t) => {
  t.same([...new Set(CODES)], CODES)
  for (const code of CODES) t.match(code, /^acc(_[a-z]+)+$/)
})

t.test('the list of usage fields is the usage, field for field', async (t) => {
  t.same([...USAGE_FIELDS].sort(), Object.keys(NO_USAGE).sort())
  t.same([...new Set(USAGE_FIELDS)], USAGE_FIELDS)
})

t.test('every token is input or output, and a call of a hosted tool is neither', async (t) => {
  const input = new Set(['inputUncached', 'cacheRead', 'cacheWrite5m', 'cacheWrite1h', 'audioInput', 'imageInput'])
  for (const field of USAGE_FIELDS) {
    const usage = { ...NO_USAGE, [field]: 7 }
    t.equal(totalInputTokens(usage), input.has(field) ? 7 : 0, `${field} as input`)
    t.equal(totalOutputTokens(usage), input.has(field) || field === 'hostedToolCalls' ? 0 : 7, `${field} as output`)
  }
})

t.test('counters that differ have keys that differ', async (t) => {
  const counter = { budgetUid: 'Budget/a', subject: 'b', periodId: '2026-11-23' }
  const others = [
    { ...counter, budgetUid: 'Budget/a2' },
    { ...counter, subject: 'b/2026-11-23' },
    { ...counter, periodId: '2026-11-24' },
  ]
  for (const other of others) t.not(counterKey(other), counterKey(counter))
  t.equal(counterKey({ ...counter }), counterKey(counter))
})
