import t from 'tap'
import { POLICY_API_VERSION, parseUsd, policyDocument } from '../index.ts'

const document = (kind: string, spec: unknown, metadata: unknown = { name: 'one' }) => ({
  apiVersion: POLICY_API_VERSION,
  kind,
  metadata,
  spec,
})
const budget = (spec: object) => document('Budget', { scope: 'global', limit: '25.00', period: 'daily', ...spec })

/** The path and message of everything that is wrong. */
function wrong(value: unknown): readonly string[] {
  const result = policyDocument.safeParse(value)
  return result.success ? [] : result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
}

t.test('a budget that says only what it must enforces, blocks and bounds its subjects', async (t) => {
  t.match(policyDocument.parse(budget({})), {
    spec: { limit: parseUsd('25'), action: 'block', mode: 'enforce', maxSubjects: 1000 },
  })
})

t.test('money that is a YAML number is refused, whole or not, and the message shows it quoted', async (t) => {
  t.match(wrong(budget({ limit: 25 })), [/^spec\.limit: .*"25\.00".*loses digits/])
  t.match(wrong(budget({ limit: 25.5 })), [/"25\.50"/])
  t.match(wrong(budget({ limit: 0.0005 })), [/"0\.0005"/])
  t.match(wrong(budget({ limit: 'abc' })), [/^spec\.limit: "abc" is not an amount of USD/])
  t.match(wrong(budget({ limit: '-1' })), [/not an amount/])
  t.match(wrong(budget({ limit: null })), [/expected an amount of USD/])
})

t.test('an unknown key is refused at every depth', async (t) => {
  t.match(wrong({ ...budget({}), extra: 1 }), [/"extra"/])
  t.match(wrong(document('Budget', { scope: 'global', limit: '1', period: 'daily', limt: '1' })), [/spec: .*"limt"/])
  t.match(wrong(document('SecurityPolicy', { detectors: { secrets: { request: { hgh: 'block' } } } })), [/"hgh"/])
  t.match(wrong(document('SecurityPolicy', { detectors: { secret: {} } })), [/"secret"/])
})

t.test('a budget counts each agent, one agent or everything, and says which', async (t) => {
  t.match(wrong(budget({ scope: 'per_agent' })), [/^spec\.selector: .*needs selector\.agent/])
  t.match(wrong(budget({ selector: { agent: 'a' } })), [/^spec\.selector: a global budget takes no selector/])
  t.same(wrong(budget({ scope: 'per_agent', selector: { agent: '*' } })), [])
  t.same(wrong(budget({ scope: 'per_agent', selector: { agent: 'a' } })), [])
})

t.test('names are those of Kubernetes, so that they are safe in keys, paths and labels', async (t) => {
  const named = (name: unknown) => wrong(document('Budget', { scope: 'global', limit: '1', period: 'daily' }, { name }))
  for (const name of ['a', 'team-a.daily', '0', 'a'.repeat(253)]) t.same(named(name), [], name)
  for (const name of ['', 'A', 'a b', '-a', 'a-', 'a/b', 'a\u001fb', 'ä', 'a'.repeat(254), 1, null])
    t.equal(named(name).length > 0, true, String(name))
})

t.test('a base URL is http or https, without query, fragment or password', async (t) => {
  const at = (baseUrl: string) => wrong(document('ProviderConfig', { provider: 'openai', baseUrl }))
  for (const url of ['https://api.openai.com/v1', 'http://127.0.0.1:4010']) t.same(at(url), [], url)
  for (const url of [
    'ftp://x/',
    'file:///etc/passwd',
    'api.openai.com',
    'https://x/?a=1',
    'https://x/#a',
    'https://u:p@x/',
    '',
  ])
    t.equal(at(url).length > 0, true, url)
})

t.test('a document of another version, of an unknown kind or of none is refused', async (t) => {
  t.match(wrong({ ...budget({}), apiVersion: 'agentcostcontrol.io/v2' }), [/^apiVersion: /])
  t.match(wrong(document('Bugdet', {})), [/^kind: /])
  t.match(wrong({}), [/^kind: /])
  for (const value of [null, [], 'text', 1, true]) t.equal(wrong(value).length, 1)
})
