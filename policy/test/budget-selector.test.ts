import { nanoUsd } from '@agentcostcontrol/contract'
import fc from 'fast-check'
import t from 'tap'
import { SEVERAL_KEYS, type SpenderModel } from '../index.ts'
import { budget, compiled, file, problems, spender } from './support/files.ts'

const NAMES: Readonly<Record<string, string>> = {
  'gpt-5': 'gpt-5',
  'gpt-5-latest': 'gpt-5',
  'gpt-5-mini': 'gpt-5-mini',
}

const model = (asked: string): SpenderModel => ({
  provider: 'openai',
  asked,
  canonical: NAMES[asked] ?? asked,
  canonicalOf: (name) => NAMES[name] ?? null,
})

const subjectsFor = (spec: object) => {
  const policy = compiled(file(budget('b', spec)))
  return (who: Parameters<typeof spender>[0]) => policy.budgetsFor(spender(who)).map(({ subject }) => subject)
}

t.test('each scope counts by the part of a request that it is named after', async (t) => {
  const scopes: readonly (readonly [string, object, Parameters<typeof spender>[0], string])[] = [
    ['per_agent', { agent: '*' }, { agent: 'a' }, 'a'],
    ['per_model', { model: '*' }, { model: model('gpt-5-latest') }, 'gpt-5'],
    ['per_workflow', { workflow: '*' }, { workflow: 'w' }, 'w'],
    ['per_session', { session: '*' }, { session: 's' }, 's'],
    ['per_team', { team: '*' }, { tags: { team: 'search' } }, 'search'],
    ['per_user', { user: '*' }, { tags: { user: 'ann' } }, 'ann'],
    ['per_api_key', { apiKey: '*' }, { apiKey: 'key-0123456789abcdef' }, 'key-0123456789abcdef'],
    ['per_tag', { tags: { tier: '*' } }, { tags: { tier: 'gold' } }, 'gold'],
  ]
  for (const [scope, selector, who, subject] of scopes) {
    const subjects = subjectsFor({ scope, selector })
    t.same(subjects(who), [subject], scope)
    t.same(subjects({}), ['(none)'], `${scope} without the attribute`)
  }
})

t.test('a named value holds for that value alone', async (t) => {
  const subjects = subjectsFor({ scope: 'per_tag', selector: { tags: { tier: 'gold' } } })
  t.same(subjects({ tags: { tier: 'gold' } }), ['gold'])
  t.same(subjects({ tags: { tier: 'silver' } }), [])
  t.same(subjects({}), [])
})

t.test('a model has one budget under all of its names', async (t) => {
  for (const named of ['gpt-5', 'gpt-5-latest']) {
    const subjects = subjectsFor({ scope: 'per_model', selector: { model: named } })
    t.same(subjects({ model: model('gpt-5') }), [named])
    t.same(subjects({ model: model('gpt-5-latest') }), [named])
    t.same(subjects({ model: model('gpt-5-mini') }), [], 'a name that only begins alike is another model')
    t.same(subjects({ model: model('gpt-5x') }), [])
  }
})

t.test('a declared family counts as one', async (t) => {
  const subjects = subjectsFor({
    scope: 'per_model',
    selector: { model: { family: 'five', models: ['gpt-5', 'gpt-5-mini'] } },
  })
  t.same(subjects({ model: model('gpt-5-latest') }), ['five'])
  t.same(subjects({ model: model('gpt-5-mini') }), ['five'])
  t.same(subjects({ model: model('gpt-5-nano') }), [])
})

t.test('a selector of several parts holds where all of them fit, and counts by all of them', async (t) => {
  const subjects = subjectsFor({ scope: 'per_agent', selector: { agent: '*', model: 'gpt-5', team: '*' } })
  t.same(subjects({ agent: 'a', model: model('gpt-5'), tags: { team: 'x' } }), ['a|gpt-5|x'])
  t.same(subjects({ agent: 'a', model: model('gpt-5-mini'), tags: { team: 'x' } }), [])
})

t.test('no two combinations of values share a counter, whatever is in them', async (t) => {
  const subjects = subjectsFor({ scope: 'per_agent', selector: { agent: '*', workflow: '*' } })
  const anyName = fc.oneof(
    fc.string({ minLength: 1, unit: fc.constantFrom('a', '|', '%', '\t', '7', 'c') }),
    fc.string({ minLength: 1, maxLength: 253 }),
  )
  fc.assert(
    fc.property(anyName, anyName, anyName, anyName, (a, b, c, d) => {
      const [one] = subjects({ agent: a, workflow: b })
      const [other] = subjects({ agent: c, workflow: d })
      if (one === undefined || other === undefined || one.length > 256) throw new Error('no key')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      if (/[\u0000-\u001f]/.test(one)) throw new Error('a control character')
      if ((one === other) !== (a === c && b === d)) throw new Error(`${one} and ${other}`)
    }),
    { numRuns: 5_000 },
  )
  t.pass()
})

t.test('what a budget does stands in order, and whether it is hard follows from it', async (t) => {
  const of = (spec: object) => compiled(file(budget('b', spec))).budgets[0]
  t.match(of({}), { isHard: true, limit: nanoUsd(25_000_000_000n) })
  t.match(of({ action: 'alert_only' }), { isHard: false })
  t.match(of({ action: 'block', mode: 'audit' }), { isHard: false })
  t.same(
    of({
      action: 'block',
      steps: [
        { at: 90, action: 'throttle' },
        { at: 80, action: 'downgrade_model' },
      ],
      downgrade: ['m'],
      throttle: { requestsPerMinute: 5 },
    })?.steps,
    [
      { at: 80, action: 'downgrade_model' },
      { at: 90, action: 'throttle' },
      { at: 100, action: 'block' },
    ],
  )
})

t.test('a budget that contradicts itself says where and how to mend it', async (t) => {
  const told = (spec: object) => problems(file(budget('b', spec))).join('\n')
  t.match(told({ scope: 'per_model' }), /selector: a per_model budget needs selector.model/)
  t.match(told({ period: 'rolling' }), /window: a rolling budget says how long/)
  t.match(told({ window: '24h' }), /window: a rolling budget says how long/)
  t.match(told({ period: 'rolling', window: '1s' }), /expected a length from "10m" to "90d"/)
  t.match(told({ timeZone: 'Mars/Olympus' }), /expected the name of a time zone/)
  t.match(told({ period: 'total', timeZone: 'Europe/Berlin' }), /knows no midnight/)
  t.match(told({ action: 'downgrade_model' }), /downgrade: the models of downgrade/)
  t.match(told({ throttle: { requestsPerMinute: 5 } }), /throttle: .*stands beside the action throttle/)
  t.match(told({ thresholds: [0] }), /thresholds/)
})

t.test('a request that is sent with several keys gets away from no budget of a key', async (t) => {
  t.same(subjectsFor({ scope: 'per_api_key', selector: { apiKey: 'key-1' } })({ apiKey: SEVERAL_KEYS }), ['key-1'])
  t.same(subjectsFor({ scope: 'per_api_key', selector: { apiKey: '*' } })({ apiKey: SEVERAL_KEYS }), ['(none)'])
})
