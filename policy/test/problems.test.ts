import t from 'tap'
import { compilePolicy } from '../index.ts'
import { budget, document, file, problems } from './support/files.ts'

const HEAD = 'apiVersion: agentcostcontrol.io/v1\n'

t.test('a mistake is told with file, line, path and remedy', async (t) => {
  const text = `${HEAD}kind: Budget
metadata:
  name: daily
spec:
  scope: globl
  limt: "25.00"
  limit: 25
  period: daily
  maxSubjects: 0
`
  t.same(problems(file(text, 'team/a.yaml')), [
    'team/a.yaml:6 spec.scope: expected one of global, per_agent, per_model, per_workflow, per_team, per_session, per_user, per_api_key, per_tag, found "globl": did you mean global?',
    'team/a.yaml:7 spec.limt: unknown key `limt`: did you mean `limit`?',
    'team/a.yaml:8 spec.limit: write money as a quoted string, like "25.00"; a YAML number loses digits',
    'team/a.yaml:10 spec.maxSubjects: expected at least 1, found 0',
  ])
})

t.test('what is missing is told at the map that lacks it', async (t) => {
  const text = `${HEAD}kind: Budget
metadata:
  name: daily
spec:
  scope: per_agent
  period: daily
`
  t.same(problems(file(text)), [
    'policy.yaml:5 spec.limit: the key `limit` is missing: expected an amount of USD like "250.00" or "$250"',
  ])
  t.same(problems(file(text.replace('  period', '  limit: "1"\n  period'))), [
    'policy.yaml:5 spec.selector: a per_agent budget needs selector.agent: the name of an agent, or "*" for each agent',
  ])
  t.match(problems(file('metadata: {name: a}\n')), [
    /^policy\.yaml:1 kind: the key `kind` is missing: expected one of Budget, Prov/,
  ])
})

t.test('lines count through comments, several documents and Windows line ends', async (t) => {
  const text = `# a comment\r\n${budget('a')}\n# another\n---\n${HEAD}kind: Bugdet\n`
  t.same(problems(file(text)), [
    'policy.yaml:8 kind: expected one of Budget, ProviderConfig, SecurityPolicy, CustomRule, PolicyTest, found "Bugdet": did you mean Budget?',
  ])
})

t.test('an unknown key without a near one lists the keys that there are', async (t) => {
  t.match(problems(file(document('SecurityPolicy', 's', { detectors: { weather: {} } }))), [
    /unknown key `weather`: the keys here are secrets, pii, prompt-injection, /,
  ])
  t.match(problems(file(document('SecurityPolicy', 's', { detectors: { secrets: { request: { hihg: 'block' } } } }))), [
    /spec\.detectors\.secrets\.request\.hihg: unknown key `hihg`: did you mean `high`\?$/,
  ])
})

t.test('a document that is no map, or of a kind that does not exist, says what is expected', async (t) => {
  t.match(problems(file('- a\n')), [/^policy\.yaml:1 : expected a map of keys and values, found a list$/])
  t.match(problems(file('just text\n')), [/found "just text"$/])
  t.match(problems(file(document('RoutingRule', 'r', {}))), [
    /expected one of Budget, ProviderConfig, SecurityPolicy, CustomRule, PolicyTest, found "RoutingRule"$/,
  ])
  t.match(problems(file(`${HEAD}kind: Budget\nmetadata: {name: a}\nspec:\n`)), [
    /^policy\.yaml:4 spec: expected a map.*, found nothing$/,
  ])
  t.match(problems(file(budget('a').replace('io/v1', 'io/v2'))), [
    /expected agentcostcontrol\.io\/v1, found "agentcostcontrol\.io\/v2"$/,
  ])
})

t.test('two documents of one kind and name are told with both places', async (t) => {
  t.same(problems(file(budget('a'), 'b.yaml'), file(`${budget('x')}${budget('a')}`, 'a.yaml')), [
    'b.yaml:2 metadata.name: Budget "a" is defined twice: here and at a.yaml:4; keep one of them',
  ])
  t.same(
    problems(file(`${budget('a')}${document('SecurityPolicy', 'a', { detectors: {} })}`)),
    [],
    'of two kinds they may',
  )
})

t.test('two configurations of one provider, and two security policies for the same agents, are refused', async (t) => {
  const provider = (name: string) => document('ProviderConfig', name, { provider: 'openai' })
  t.match(problems(file(provider('a') + provider('b'))), [
    /^policy\.yaml:4 spec\.provider: two ProviderConfigs configure openai: here and at policy\.yaml:2/,
  ])
  const security = (name: string, agent?: string) =>
    document('SecurityPolicy', name, { ...(agent ? { selector: { agent } } : {}), detectors: {} })
  t.match(problems(file(security('a') + security('b', '*'))), [/two SecurityPolicies hold for every agent/])
  t.match(problems(file(security('a', 'x') + security('b', 'x'))), [/two SecurityPolicies hold for agent "x"/])
  t.same(problems(file(security('a', 'x') + security('b', 'y') + security('c'))), [])
})

t.test('one bad document anywhere and no policy comes out; every problem is told at once', async (t) => {
  const files = [file(budget('a'), 'a.yaml'), file('kind: [\n', 'b.yaml'), file(budget('c', { limit: 1 }), 'c.yaml')]
  const result = compilePolicy(files)
  t.equal(result.ok, false)
  t.match(problems(...files), [/^b\.yaml:/, /^c\.yaml:2 spec\.limit/])
})

t.test('what a document says is shown shortened, so that a message stays a line', async (t) => {
  const long = 'x'.repeat(5_000)
  for (const spec of [{ scope: long }, { [long]: 1 }]) {
    for (const problem of problems(file(budget('a', spec))))
      t.ok(problem.length < 5_400 && !problem.slice(problem.indexOf(': ')).includes(long))
  }
})
