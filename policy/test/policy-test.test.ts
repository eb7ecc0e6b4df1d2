import { PROVIDER_NAMES, type ProviderName, SEVERITIES } from '@agentcostcontrol/contract'
import fc from 'fast-check'
import t from 'tap'
import { type CompiledPolicy, checkPolicy } from '../index.ts'
import { budget, compiled, document, file, principal, problems, spends } from './support/files.ts'

const policyTest = (...cases: readonly object[]): string =>
  document('PolicyTest', 'house', { cases: cases.map((it, at) => ({ name: `case ${at}`, ...it })) })

/** What is wrong with a policy that has this case beside it, without the file and the line. */
const differences = (policy: string, tested: object): readonly string[] =>
  problems(file(policy, 'a.yaml'), file(policyTest(tested), 'test.yaml')).map((it) => it.replace(/^\S+ /, ''))

const EACH = budget('each', { scope: 'per_agent', selector: { agent: '*' } })
const guard = (spec: object, name = 'guard'): string => document('SecurityPolicy', name, { detectors: {}, ...spec })

t.test(
  'a test that fails refuses the folder, with file, line, path, what was expected and what was found',
  async (t) => {
    const text = `${budget('all')}---
# a comment
apiVersion: agentcostcontrol.io/v1
kind: PolicyTest
metadata: { name: house }
spec:
  cases:
    - name: everyone counts
      request:
        agent: a
      expect:
        security: null
        budgets:
          - name: all
            subject: "*"
          - name: each
`
    t.same(problems(file(text, 'team/house.yaml')), [
      'team/house.yaml:15 spec.cases[0].expect.budgets: test "house", case "everyone counts": expected all (subject "*"), each, found all (subject "*")',
    ])
    t.match(checkPolicy([file(text.replace('          - name: each\n', ''))]), { ok: true, tests: 1 })
  },
)

t.test('budgets are expected as a set: one too many and one too few are told, the order is not', async (t) => {
  const policy = budget('all', { mode: 'audit' }) + EACH
  const expect = (...budgets: readonly object[]) =>
    differences(policy, { request: { agent: 'a' }, expect: { budgets } })
  t.same(expect({ name: 'each' }, { name: 'all' }), [])
  t.same(expect({ name: 'each', subject: 'a' }, { name: 'all', subject: '*', mode: 'audit' }), [])
  t.match(expect({ name: 'all' }), [/expected all, found all, each$/])
  t.match(expect(), [/expected no budget, found all, each$/])
  t.match(expect({ name: 'each', subject: 'b' }, { name: 'all' }), [
    /expected all, each \(subject "b"\), found all, each \(subject "a"\)$/,
  ])
  t.match(expect({ name: 'each' }, { name: 'all', mode: 'enforce' }), [
    /expected all \(enforce\), each, found all \(audit\), each$/,
  ])
})

t.test('what is done about an agent that asks the same again is expected of a sequence of requests', async (t) => {
  const loops = (spec: object): string => guard({ runaway: { repeats: { count: 5, withinS: 60 }, ...spec } })
  const expect = (policy: string, times: number, everyS: number | undefined, action: string) => {
    const repeated = everyS === undefined ? { times } : { times, everyS }
    return differences(policy, { request: { agent: 'a' }, expect: { runaway: { repeated, action } } })
  }
  const paused = loops({ action: 'pause' })
  t.same(expect(paused, 4, undefined, 'none'), [])
  t.same(expect(paused, 5, undefined, 'pause'), [])
  t.same(expect(paused, 5, 14, 'pause'), [], 'the fifth within a minute of the first')
  t.same(expect(paused, 500, 15, 'none'), [], 'no five within a minute')
  t.same(expect(loops({ action: 'throttle' }), 9, 1, 'throttle'), [])
  t.same(expect(loops({ action: 'pause', mode: 'audit' }), 5, 1, 'alert'), [])
  t.same(expect(guard({}), 100, 0, 'none'), [])
  t.same(expect(guard({ runaway: { velocity: { minUsdPerMinute: '1.00' } } }), 100, 0, 'none'), [])
  t.match(expect(paused, 4, 1, 'pause'), [/^spec.cases\[0\].expect.runaway.action: .* expected pause, found none$/])
  t.match(expect(paused, 5, 1, 'none'), [/expected none, found pause$/])
  t.match(expect(paused, 5, 1, 'stop'), [/action/])
})

t.test('of many budgets a message names those that make the difference', async (t) => {
  const names = Array.from({ length: 400 }, (_, at) => `b-${at}`)
  const policy = names.map((name) => budget(name)).join('')
  const [message = ''] = differences(policy, { expect: { budgets: names.slice(1).map((name) => ({ name })) } })
  t.match(message, /expected 399 budgets, among them none but those, found 400 budgets, among them b-0$/)
})

t.test(
  'security, detectors, actions and the provider’s choices are compared one by one, each at its path',
  async (t) => {
    const policy =
      guard({
        detectors: { secrets: { mode: 'audit', request: { critical: 'block' }, response: { critical: 'redact' } } },
      }) +
      guard({ selector: { agent: 'free' } }, 'lenient') +
      document('ProviderConfig', 'openai', {
        provider: 'openai',
        onUnbounded: 'deny',
        models: { mine: { model: 'gpt-4.1' } },
      }) +
      document('ProviderConfig', 'vllm', { provider: 'vllm', models: { '*': { price: { input: '0', output: '0' } } } })
    const good = [
      {
        request: { agent: 'a' },
        expect: {
          security: 'guard',
          budgets: [],
          detectors: { secrets: { mode: 'audit', request: { critical: 'block', low: 'alert' } } },
        },
      },
      { request: { agent: 'free' }, expect: { security: 'lenient', detectors: { secrets: null } } },
      {
        request: { provider: 'openai', model: 'mine' },
        expect: { provider: { onUnbounded: 'deny', modelEntry: 'mine' } },
      },
      { request: { provider: 'openai', model: 'other' }, expect: { provider: { modelEntry: null } } },
      {
        request: { provider: 'vllm', model: 'other' },
        expect: { provider: { modelEntry: '*', onUnpricedModel: 'deny', onUnpricedEndpoint: 'passThrough' } },
      },
      { request: { provider: 'mistral' }, expect: { provider: { onClientAbort: 'drain' } } },
    ]
    for (const tested of good) t.same(differences(policy, tested), [], JSON.stringify(tested))
    const bad: readonly (readonly [object, RegExp])[] = [
      [{ expect: { security: 'lenient' } }, /expect\.security: .*: expected "lenient", found "guard"$/],
      [{ expect: { security: null } }, /expected none, found "guard"$/],
      [
        { expect: { detectors: { secrets: { mode: 'enforce' } } } },
        /secrets\.mode: .*: expected enforce, found audit$/,
      ],
      [
        { expect: { detectors: { secrets: { request: { critical: 'warn' } } } } },
        /secrets\.request\.critical: .*: expected warn, found block$/,
      ],
      [
        { expect: { detectors: { secrets: { response: { low: 'block' } } } } },
        /secrets\.response\.low: .*: expected block, found alert$/,
      ],
      [
        { expect: { detectors: { secrets: null } } },
        /secrets: .*: expected a detector that does not run, found one that/,
      ],
      [
        { request: { agent: 'free' }, expect: { detectors: { secrets: { mode: 'audit' } } } },
        /secrets: .*: expected one that runs, found a detector that does not run$/,
      ],
      [
        { request: { provider: 'openai' }, expect: { provider: { onUnbounded: 'allowCounted' } } },
        /provider\.onUnbounded: .*: expected allowCounted, found deny$/,
      ],
      [
        { request: { provider: 'openai', model: 'mine' }, expect: { provider: { modelEntry: '*' } } },
        /provider\.modelEntry: .*: expected "\*", found "mine"$/,
      ],
    ]
    for (const [tested, message] of bad) t.match(differences(policy, tested), [message])
  },
)

t.test('a case that expects nothing, or of a provider that it does not name, is a mistake', async (t) => {
  const wrong = (tested: object) => differences('', tested)
  for (const expect of [{}, { detectors: {} }, { provider: {} }, { detectors: { secrets: { request: {} } } }])
    t.match(wrong({ request: { provider: 'openai' }, expect }), [/nothing is expected here/], JSON.stringify(expect))
  t.match(wrong({ expect: { provider: { onUnbounded: 'deny' } } }), [/cases\[0\]\.request: say which provider/])
  t.match(wrong({ request: { provider: 'openai' }, expect: { provider: { modelEntry: null } } }), [/say which model/])
  t.match(wrong({ expect: { budgts: [] } }), [/expect\.budgts: unknown key `budgts`: did you mean `budgets`\?$/])
  t.match(wrong({ expect: { budgets: [{ nmae: 'a', name: 'a' }] } }), [/budgets\[0\]\.nmae: .* did you mean `name`\?$/])
  t.match(problems(file(document('PolicyTest', 'x', { cases: [] }))), [/spec\.cases: expected at least 1/])
})

t.test('tests run once everything else is right, and as many as a folder may hold', async (t) => {
  const failing = policyTest({ expect: { security: 'none-such' } })
  t.match(problems(file(budget('a', { limit: 25 }) + failing)), [/spec\.limit: write money/])
  const cases = (count: number) => Array.from({ length: count }, () => ({ expect: { budgets: [] } }))
  const files = (count: number) =>
    Array.from({ length: count }, (_, at) => file(policyTest(...cases(200)).replace('house', `t-${at}`), `${at}.yaml`))
  t.match(checkPolicy(files(5)), { ok: true, tests: 1_000 })
  t.match(problems(...files(6)), [/5\.yaml:2 spec\.cases: the folder holds more than 1000 cases/])
  t.match(problems(file(policyTest(...cases(201)))), [/spec\.cases: expected at most 200/])
})

t.test('ten thousand differences are told as fifty', async (t) => {
  const severities = Object.fromEntries(SEVERITIES.map((severity) => [severity, 'block']))
  const tested = { expect: { detectors: { secrets: { request: severities, response: severities } } } }
  const policy = guard({ detectors: { secrets: {} } })
  const found = problems(file(policy), file(policyTest(...Array.from({ length: 200 }, () => tested)), 'test.yaml'))
  t.equal(found.length, 50)
})

t.test('a test is no part of what is enforced, and counts in the revision', async (t) => {
  const without = checkPolicy([file(EACH)])
  const beside = checkPolicy([file(EACH), file(policyTest({ expect: { security: null } }), 'test.yaml')])
  if (!without.ok || !beside.ok) return t.fail('both are valid')
  t.same(beside.documents, without.documents)
  t.not(beside.revision, without.revision)
})

const agents = ['a', 'b', 'c'] as const
const anyAgent = fc.constantFrom(...agents)
const anyActions = fc.dictionary(fc.constantFrom(...SEVERITIES), fc.constantFrom('allow', 'warn', 'redact', 'block'))
const anyMode = fc.constantFrom('audit', 'enforce')

/** A policy of each kind of document. */
const anyPolicy = fc
  .record({
    budgets: fc.array(fc.record({ agent: fc.option(fc.constantFrom(...agents, '*')), mode: anyMode }), {
      maxLength: 6,
    }),
    securities: fc.uniqueArray(
      fc.record({
        agent: fc.constantFrom(...agents, '*'),
        secrets: fc.option(fc.record({ mode: anyMode, request: anyActions, response: anyActions })),
      }),
      { selector: ({ agent }) => agent, maxLength: 4 },
    ),
    providers: fc.uniqueArray(
      fc.record({
        provider: fc.constantFrom(...PROVIDER_NAMES),
        onUnbounded: fc.constantFrom('deny', 'contextWindow', 'allowCounted'),
        onUnpricedModel: fc.constantFrom('deny', 'worstCase'),
        models: fc.constantFrom({}, { m: { model: 'x' } }, { '*': { model: 'x' } }),
      }),
      { selector: ({ provider }) => provider, maxLength: 4 },
    ),
  })
  .map(({ budgets, securities, providers }) =>
    [
      ...budgets.map(({ agent, mode }, at) =>
        budget(`b-${at}`, agent === null ? { mode } : { mode, scope: 'per_agent', selector: { agent } }),
      ),
      ...securities.map(({ agent, secrets }, at) =>
        guard({ selector: { agent }, detectors: secrets === null ? {} : { secrets } }, `s-${at}`),
      ),
      ...providers.map(({ provider, ...spec }) => document('ProviderConfig', provider, { provider, ...spec })),
    ].join(''),
  )

interface Request {
  readonly agent: string | null
  readonly provider: ProviderName
  readonly model: string
}

const anyRequest: fc.Arbitrary<Request> = fc.record({
  agent: fc.option(anyAgent),
  provider: fc.constantFrom(...PROVIDER_NAMES),
  model: fc.constantFrom('m', 'n'),
})

/** Everything that can be expected, as the compiled policy says it. */
function decided(policy: CompiledPolicy, { agent, provider, model }: Request) {
  const holds = policy.securityFor(principal(agent), null)
  const secrets = holds?.detectors[0] ?? null
  const found = policy.provider(provider)
  const { onUnbounded, onUnpricedModel, onUnpricedEndpoint, onClientAbort, models } = found
  return {
    budgets: policy.budgetsFor(spends(agent)).map(({ budget: { name, mode }, subject }) => ({ name, subject, mode })),
    security: holds?.name ?? null,
    detectors: {
      secrets: secrets && { mode: secrets.mode, request: secrets.request, response: secrets.response },
    },
    provider: {
      onUnbounded,
      onUnpricedModel,
      onUnpricedEndpoint,
      onClientAbort,
      modelEntry: models.has(model) ? model : models.has('*') ? '*' : null,
    },
  }
}

const OTHERS: Readonly<Record<string, readonly unknown[]>> = {
  name: ['other-name'],
  subject: ['other-subject'],
  mode: ['audit', 'enforce'],
  security: ['other-name', null],
  secrets: [null, { mode: 'audit' }],
  onUnbounded: ['deny', 'contextWindow', 'allowCounted'],
  onUnpricedModel: ['deny', 'worstCase'],
  onUnpricedEndpoint: ['deny', 'passThrough'],
  onClientAbort: ['abort', 'drain'],
  modelEntry: ['other-name', null],
  ...Object.fromEntries(SEVERITIES.map((severity) => [severity, ['allow', 'alert', 'warn', 'redact', 'block']])),
}

/** Every expectation with one thing in it changed. */
function changed(value: unknown, key = ''): readonly unknown[] {
  const others = OTHERS[key]
  if (others && (typeof value !== 'object' || value === null)) return others.filter((other) => other !== value)
  if (Array.isArray(value))
    return [
      [...value, { name: 'one-more' }],
      ...value.flatMap((item, at) => [value.toSpliced(at, 1), ...changed(item).map((it) => value.with(at, it))]),
    ]
  if (typeof value !== 'object' || value === null) return []
  const inside = Object.entries(value).flatMap(([name, item]) =>
    changed(item, name).map((other) => ({ ...value, [name]: other })),
  )
  return key === 'secrets' ? [null, ...inside] : inside
}

t.test('a test made of what the policy decides passes, and one with anything in it changed fails', async (t) => {
  let mutants = 0
  fc.assert(
    fc.property(anyPolicy, anyRequest, (policy, request) => {
      const expect = decided(compiled(file(policy)), request)
      const passing = differences(policy, { request, expect })
      if (passing.length > 0) throw new Error(passing.join('\n'))
      for (const wrong of changed(expect)) {
        mutants++
        const found = differences(policy, { request, expect: wrong })
        if (found.length !== 1 || !/: expected .*, found /.test(found[0] ?? ''))
          throw new Error(
            `${JSON.stringify(wrong)} instead of ${JSON.stringify(expect)}: ${found.join('\n') || 'passed'}`,
          )
      }
    }),
    { numRuns: 40 },
  )
  t.ok(mutants > 400, `${mutants} changed tests`)
})
