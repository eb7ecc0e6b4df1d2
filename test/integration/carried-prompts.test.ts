import { gzipSync } from 'node:zlib'
import { DETECTORS } from '@agentcostcontrol/detectors'
import t from 'tap'
import type { Scope } from '../support/scope.ts'
import { AMPLE_BUDGET, securityYaml, sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'

const CANARY = DETECTORS[0]?.canary() ?? ''
const [FOUND] = DETECTORS[0]?.detect(CANARY, { source: 'user' }) ?? []
const SECRET = CANARY.slice(FOUND?.start, FOUND?.end)
const LONG = 'The quick brown fox jumps over the lazy dög. '.repeat(400)

const turn = (text: string) => ({ role: 'user', content: text })
const contents = (text: string) => [{ role: 'user', parts: [{ text }] }]

/** Endpoints that cost nothing and whose requests carry what people wrote, each with a body that does. */
const CARRIERS: readonly (readonly [name: string, path: string, body: (text: string) => object])[] = [
  [
    'Anthropic: tokens counted',
    '/anthropic/v1/messages/count_tokens',
    (text) => ({ model: 'claude-sonnet-4-5', messages: [turn(text)] }),
  ],
  ['Gemini: tokens counted', '/v1beta/models/gemini-2.5-flash:countTokens', (text) => ({ contents: contents(text) })],
  [
    'Gemini: tokens of a whole request counted',
    '/v1beta/models/gemini-2.5-flash:countTokens',
    (text) => ({ generateContentRequest: { model: 'models/gemini-2.5-flash', contents: contents(text) } }),
  ],
  ['OpenAI: tokens counted', '/openai/v1/responses/input_tokens', (text) => ({ input: [turn(text)] })],
  ['OpenAI: a conversation begun', '/openai/v1/conversations', (text) => ({ items: [turn(text)] })],
  ['OpenAI: moderations', '/openai/v1/moderations', (text) => ({ input: ['a', text] })],
]

async function started(t: Scope, action: string | null) {
  const simulator = await simulatorFor(t)
  const security =
    action === null ? {} : { 'security.yaml': securityYaml({ request: action, extra: '  timeoutMs: 60000\n' }) }
  const sidecar = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    env: { ACC_UPSTREAM_ANTHROPIC: `${simulator.url}/anthropic/v1`, ACC_UPSTREAM_GOOGLE: `${simulator.url}/google` },
    policies: { 'budget.yaml': AMPLE_BUDGET, ...security },
  })
  const post = (path: string, body: string | Uint8Array<ArrayBuffer>, headers: Readonly<Record<string, string>> = {}) =>
    fetch(`${sidecar.url}${path}`, {
      method: 'POST',
      headers: {
        authorization: 'Bearer any',
        'x-api-key': 'any',
        'x-goog-api-key': 'any',
        'anthropic-version': '2023-06-01',
        'content-type': 'application/json',
        ...headers,
      },
      body,
    })
  return { simulator, sidecar, post, sent: (): string => simulator.requests().at(-1)?.body.toString() ?? '' }
}

t.test(
  'a secret does not leave through an endpoint that is free: blocked, nothing is sent, nothing is charged',
  async (t) => {
    const { simulator, sidecar, post } = await started(t, 'block')
    for (const [at, [name, path, body]] of CARRIERS.entries()) {
      for (const text of [`key: ${SECRET}`, `${LONG} key: ${SECRET}`]) {
        const response = await post(path, JSON.stringify(body(text)))
        t.equal(response.headers.get('x-acc-code'), 'acc_security_blocked', name)
        t.equal(response.status, 403, name)
      }
      const events = await sidecar.events(2 * at + 2)
      t.match(events.at(-1), { outcome: 'denied', findings: [{ detectorId: 'secrets', action: 'block' }] }, name)
    }
    t.equal(simulator.requests().length, 0)
  },
)

t.test('it is redacted where the policy says so, and the rest passes as it is, free and counted', async (t) => {
  const { sidecar, post, sent } = await started(t, 'redact')
  for (const [at, [name, path, body]] of CARRIERS.entries()) {
    const clean = JSON.stringify(body('hello'))
    t.equal((await post(path, clean)).headers.get('x-acc-code'), null, name)
    t.equal(sent(), clean, name)
    const found = JSON.stringify(body(`${LONG} key: ${SECRET}, and more`))
    t.equal((await post(path, found)).headers.get('x-acc-code'), null, name)
    const [before = '', behind = ''] = found.split(SECRET)
    t.ok(sent().startsWith(before) && sent().endsWith(behind) && !sent().includes(SECRET), name)
    const events = await sidecar.events(2 * at + 2)
    t.match(events.at(-1), { outcome: 'completed', attempts: [{ precision: 'none', chargedNanoUsd: '0' }] }, name)
  }
})

t.test('what cannot be read is refused where a policy wants to have read it, and passes where none does', async (t) => {
  const unreadable = [
    ['{"input":"a","input":"b"}', {}, 'acc_body_ambiguous'],
    ['{"input":', {}, 'acc_body_not_json'],
    [new Uint8Array(gzipSync('{"input":"a"}')), { 'content-encoding': 'gzip' }, 'acc_body_encoding_unsupported'],
  ] as const
  for (const action of ['block', null]) {
    const { simulator, post } = await started(t, action)
    for (const [body, headers, code] of unreadable) {
      const response = await post('/openai/v1/moderations', body, headers)
      t.equal(response.headers.get('x-acc-code'), action === null ? null : code)
    }
    t.equal((await post('/openai/v1/conversations', '')).headers.get('x-acc-code'), null, 'no body is no text')
    t.equal(simulator.requests().length, action === null ? 4 : 1)
  }
})
