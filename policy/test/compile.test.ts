import { readdirSync, readFileSync } from 'node:fs'
import { nanoUsd, periodRule, providerConfigDocument, SUBJECT_NONE } from '@agentcostcontrol/contract'
import t from 'tap'
import { budget, compiled, document, file, principal, spends } from './support/files.ts'

t.test('an empty folder is a policy without budgets, with the defaults of the schema', async (t) => {
  const policy = compiled()
  t.same(policy.budgets, [])
  t.same(policy.budgetsFor(spends('a')), [])
  t.equal(policy.securityFor(principal('a'), null), null)
  const { spec } = providerConfigDocument.parse({
    apiVersion: 'agentcostcontrol.io/v1',
    kind: 'ProviderConfig',
    metadata: { name: 'x' },
    spec: { provider: 'openai' },
  })
  t.same(policy.provider('openai'), {
    ...spec,
    name: 'openai',
    baseUrl: null,
    models: new Map(),
    onClientAbort: 'abort',
  })
  t.equal(policy.provider('mistral').onClientAbort, 'drain', 'a cut does not end the billing there')
  t.match(compiled(file('# nothing here\n')).revision, /^[0-9a-f]{64}$/)
})

t.test('a global budget holds for everyone, under one subject', async (t) => {
  const policy = compiled(file(budget('all', { limit: '1.50', mode: 'audit', period: 'weekly', maxSubjects: 3 })))
  const expected = {
    uid: 'Budget/all',
    name: 'all',
    scope: 'global',
    countsBy: [],
    limit: nanoUsd(1_500_000_000n),
    period: periodRule('weekly'),
    mode: 'audit',
    isHard: false,
    steps: [{ at: 100, action: 'block' }],
    downgrade: [],
    throttledPerMinute: null,
    thresholds: [50, 75, 90, 100],
    warning: 80,
    critical: 100,
    onDisconnect: 'spend-lease',
    maxSubjects: 3,
  }
  t.same(policy.budgets, [expected])
  for (const agent of ['a', null]) t.same(policy.budgetsFor(spends(agent)), [{ budget: expected, subject: '*' }])
})

t.test('a budget for each agent counts each, and those without a name as one', async (t) => {
  const policy = compiled(file(budget('each', { scope: 'per_agent', selector: { agent: '*' } })))
  const subject = (agent: string | null) => policy.budgetsFor(spends(agent)).map((match) => match.subject)
  t.same(subject('a'), ['a'])
  t.same(subject('b'), ['b'])
  t.same(subject(null), [SUBJECT_NONE])
})

t.test('a budget for a named agent holds for that agent alone, beside the others', async (t) => {
  const policy = compiled(
    file(
      budget('named', { scope: 'per_agent', selector: { agent: 'a' } }) +
        budget('each', { scope: 'per_agent', selector: { agent: '*' } }) +
        budget('all'),
    ),
  )
  const matched = (agent: string | null) =>
    policy.budgetsFor(spends(agent)).map((it) => `${it.budget.name}/${it.subject}`)
  t.same(matched('a'), ['all/*', 'each/a', 'named/a'])
  t.same(matched('ab'), ['all/*', 'each/ab'])
  t.same(matched(null), ['all/*', `each/${SUBJECT_NONE}`])
})

t.test('the same agent gets the same frozen list, and the memory of agents is bounded', async (t) => {
  const policy = compiled(file(budget('each', { scope: 'per_agent', selector: { agent: '*' } })))
  const first = policy.budgetsFor(spends('a'))
  t.equal(policy.budgetsFor(spends('a')), first)
  t.equal(policy.budgetsFor(spends(null)), policy.budgetsFor(spends(null)))
  t.ok(Object.isFrozen(first) && Object.isFrozen(first[0]) && Object.isFrozen(first[0]?.budget))
  for (let other = 0; other < 10_000; other++) policy.budgetsFor(spends(`agent-${other}`))
  t.not(policy.budgetsFor(spends('a')), first, 'forgotten, and computed again')
  t.same(policy.budgetsFor(spends('a')), first)
})

t.test('the uid of a budget survives every edit but another name', async (t) => {
  const uid = (text: string, path?: string) => compiled(file(text, path)).budgets[0]?.uid
  const first = uid(budget('one'))
  t.equal(uid(budget('one', { limit: '1', period: 'monthly', mode: 'audit' }), 'moved/elsewhere.yaml'), first)
  t.not(uid(budget('two')), first)
})

t.test('the revision is that of the contents: it depends on paths and texts, not on the order', async (t) => {
  const [a, b] = [file(budget('a'), 'a.yaml'), file(budget('b'), 'b.yaml')]
  const revision = compiled(a, b).revision
  t.equal(compiled(b, a).revision, revision)
  t.not(compiled(a).revision, revision)
  t.not(compiled(a, { ...b, path: 'c.yaml' }).revision, revision)
  t.not(compiled(a, { ...b, text: `${b.text} ` }).revision, revision)
  const seam = (path: string, text: string) => compiled(file(text, path)).revision
  t.not(seam('x', '#y'), seam('x#y', ''), 'nothing moves between path and text unseen')
})

t.test('the first security policy by name that names the agent applies, and one for every agent last', async (t) => {
  const security = (name: string, agent?: string) =>
    document('SecurityPolicy', name, { ...(agent ? { selector: { agent } } : {}), detectors: { secrets: {} } })
  const policy = compiled(file(security('a-everyone') + security('z-one', 'one')))
  t.equal(policy.securityFor(principal('one'), null)?.name, 'z-one')
  t.equal(policy.securityFor(principal('two'), null)?.name, 'a-everyone')
  t.equal(policy.securityFor(principal(null), null)?.name, 'a-everyone')
  const only = compiled(file(security('z-one', 'one')))
  t.equal(only.securityFor(principal('two'), null), null)
  t.equal(only.securityFor(principal(null), null), null)
  t.equal(compiled(file(security('star', '*'))).securityFor(principal(null), null)?.name, 'star')
})

t.test('of the security policies whose selectors fit the one that names most applies', async (t) => {
  const security = (name: string, selector: object) =>
    document('SecurityPolicy', name, { selector, detectors: { secrets: {} } })
  const policy = compiled(
    file(
      security('a', { agent: 'one' }) +
        security('b', { agent: 'one', workflow: 'w' }) +
        security('c', { tags: { tier: 'prod' } }) +
        security('d', { provider: 'anthropic' }) +
        security('e', { agent: 'one', workflow: 'w', tags: { tier: 'prod' }, provider: 'openai' }),
    ),
  )
  const holds = (who: object, provider: 'openai' | 'anthropic' | null): string | undefined =>
    policy.securityFor({ ...principal('one'), ...who }, provider)?.name
  t.equal(holds({}, null), 'a')
  t.equal(holds({ workflow: 'w' }, 'openai'), 'b')
  t.equal(holds({ workflow: 'w', tags: { tier: 'prod' } }, 'openai'), 'e')
  t.equal(holds({ agent: 'two', tags: { tier: 'prod', more: 'x' } }, 'openai'), 'c')
  t.equal(holds({ agent: 'two' }, 'anthropic'), 'd')
  t.equal(holds({ agent: 'two', tags: { tier: 'dev' } }, 'openai'), undefined)
})

t.test('a severity left out is an alert, and a detector left out does not run', async (t) => {
  const security = (detectors: object) =>
    compiled(file(document('SecurityPolicy', 's', { detectors }))).securityFor(principal('a'), null)
  t.match(security({ secrets: { request: { high: 'block' } } }), {
    detectorsKey: 'secrets',
    detectors: [
      {
        detectorId: 'secrets',
        mode: 'enforce',
        request: { low: 'alert', medium: 'alert', high: 'block', critical: 'alert' },
        response: { low: 'alert', medium: 'alert', high: 'alert', critical: 'alert' },
      },
    ],
    onOverload: 'closed',
    onTimeout: 'closed',
    timeoutMs: 2_000,
  })
  t.match(security({}), { detectors: [], detectorsKey: '', holdsResponses: false })
})

t.test('answers are held back only where an enforced action can change them', async (t) => {
  const holds = (secrets: object) =>
    compiled(file(document('SecurityPolicy', 's', { detectors: { secrets } }))).securityFor(principal('a'), null)
      ?.holdsResponses
  t.equal(holds({ request: { high: 'block' } }), false)
  t.equal(holds({ response: { low: 'warn', critical: 'alert' } }), false)
  t.equal(holds({ response: { low: 'redact' } }), true)
  t.equal(holds({ response: { critical: 'block' } }), true)
  t.equal(holds({ mode: 'audit', response: { critical: 'block' } }), false)
})

t.test('a provider is configured as its document says', async (t) => {
  const text = document('ProviderConfig', 'mine', {
    provider: 'openai',
    baseUrl: 'http://127.0.0.1:1/v1',
    onUnbounded: 'deny',
  })
  t.match(compiled(file(text)).provider('openai'), {
    name: 'mine',
    baseUrl: 'http://127.0.0.1:1/v1',
    onUnbounded: 'deny',
    onUnpricedModel: 'deny',
  })
})

for (const folder of ['starter', 'demo']) {
  t.test(`the ${folder} policies compile and do what the documents promise`, async (t) => {
    const url = new URL(`../../policies/${folder}/`, import.meta.url)
    const policy = compiled(...readdirSync(url).map((name) => file(readFileSync(new URL(name, url), 'utf8'), name)))
    t.equal(policy.budgetsFor(spends('researcher')).length, 2, 'one for everything, one for the agent')
    t.match(policy.securityFor(principal(null), null), {
      holdsResponses: true,
      detectors: [
        {
          request: { critical: 'block', high: 'block', medium: 'alert' },
          response: { critical: 'redact', high: folder === 'demo' ? 'alert' : 'redact' },
        },
      ],
    })
    t.equal(policy.provider('openai').name, 'openai')
    const spender = policy.budgetsFor(spends('spender')).map((match) => match.budget.limit)
    t.equal(spender.includes(nanoUsd(20_000_000n)), folder === 'demo')
  })
}
