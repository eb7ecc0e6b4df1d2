import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { DETECTORS } from '@agentcostcontrol/detectors'
import t from 'tap'
import { metricsText, readiness, revisionInForce } from '../support/admin.ts'
import { chat } from '../support/chat.ts'
import { least } from '../support/least.ts'
import { inCheckout } from '../support/paths.ts'
import { folderFor, type Scope } from '../support/scope.ts'
import { AMPLE_BUDGET, securityYaml, sidecarFor, type TestSidecarOptions, writePolicies } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

const CANARY = DETECTORS[0]?.canary() ?? ''
const [FOUND] = DETECTORS[0]?.detect(CANARY, { source: 'user' }) ?? []
const SECRET = CANARY.slice(FOUND?.start, FOUND?.end)
/** A machine that is busy with other tests must not decide how a scan ends. */
const PATIENT = '  timeoutMs: 60000\n'
const clean = (chars: number, name = ''): string =>
  `${name} ${'The quick brown fox jumps over the lazy dog. '.repeat(chars / 45 + 1)}`
const user = (content: string) => ({ role: 'user', content })

async function started(t: Scope, security: string, options: Partial<TestSidecarOptions> = {}) {
  const simulator = await simulatorFor(t)
  const policies = { 'budget.yaml': AMPLE_BUDGET, 'security.yaml': security }
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, policies, ...options })
  const sent = (): string => simulator.requests().at(-1)?.body.toString() ?? ''
  return { simulator, sidecar, sent }
}

t.test(
  'a secret in a large prompt is found in a worker as it is in a small one, and nothing of it is sent',
  async (t) => {
    const { simulator, sidecar } = await started(t, securityYaml({ request: 'block', extra: PATIENT }))
    const small = await chat(sidecar.url, { body: { messages: [user(`key: ${SECRET}`)] } })
    const large = await chat(sidecar.url, {
      body: { messages: [user(clean(100_000)), user(`${clean(100_000)}key: ${SECRET}`)] },
    })
    t.match(small, {
      status: 403,
      code: 'acc_security_blocked',
      message: /^Blocked by the security policy "test": secrets\//,
    })
    t.equal(large.text, small.text)
    t.notMatch(large.text, SECRET)
    t.equal(simulator.requests().length, 0)
    const [first, second] = await sidecar.events(2)
    const kinds = (event: typeof first) =>
      event?.findings.map(({ detail, ...kind }) => [kind, detail?.source, detail?.score])
    t.same(kinds(first), kinds(second))
    t.match(second?.findings[0]?.detail?.places, [{ start: 100_041, end: 100_061 }], 'where it stands is told')
    t.match(first?.findings, [
      { detectorId: 'secrets', direction: 'request', action: 'block', mode: 'enforce', count: 1 },
    ])
    t.equal(await sidecar.metric('acc_scan_inline_texts_total'), 1)
    t.equal(await sidecar.metric('acc_scan_pooled_texts_total'), 2)
  },
)

t.test('a conversation that grows is scanned once', async (t) => {
  const { sidecar } = await started(t, securityYaml({ request: 'block', extra: PATIENT }))
  const messages = [user(clean(200_000))]
  for (let turn = 0; turn < 4; turn++) {
    t.equal((await chat(sidecar.url, { body: { messages } })).status, 200)
    messages.push(user(clean(1_000, `turn ${turn}`)))
  }
  t.equal(await sidecar.metric('acc_scan_pooled_texts_total'), 1)
  t.equal(await sidecar.metric('acc_verdict_cache_hits_total'), 3 + 2 + 1)
})

t.test('a secret in a large prompt is taken out, and every other byte is left', async (t) => {
  const { sidecar, sent } = await started(t, securityYaml({ request: 'redact', extra: PATIENT }))
  for (const beside of ['', 'é → 😀 ', '\u0001']) {
    const content = `${beside}${clean(50_000)}${SECRET}${beside}${clean(50_000)}`
    const messages = [user(content), { role: 'user', content: [], naïve: { clé: `${beside} ${SECRET}` } }]
    const raw = JSON.stringify({ model: 'gpt-4.1-mini', max_tokens: 5, messages }, null, 1)
    t.equal((await chat(sidecar.url, { raw })).status, 200)
    const asSent = sent()
    t.notOk(asSent.includes(SECRET))
    const back = asSent.replaceAll(/\[REDACTED:[\w:-]+\]/g, SECRET)
    t.same(JSON.parse(back), JSON.parse(raw), 'put back in, it is the request')
    t.ok(back.includes(JSON.stringify(content)), 'byte for byte')
  }
})

t.test("a model's name beyond ASCII is told as it is, in a body of any length", async (t) => {
  const { sidecar } = await started(t, securityYaml({ request: 'block', extra: PATIENT }))
  for (const length of [10, 20_000]) {
    const answer = await chat(sidecar.url, { body: { model: 'modèle-→', messages: [user(clean(length))] } })
    t.equal(answer.status, 403)
    t.match(answer.text, /modèle-→/)
  }
})

for (const choice of ['closed', 'open'] as const) {
  t.test(`a queue that is full and a scan that takes too long: the policy is ${choice}`, async (t) => {
    const env = { ACC_SCAN_THREADS_MAX: '1', ACC_SCAN_QUEUE_MAX: '1' }
    const policy = (timeoutMs: number): string =>
      securityYaml({
        request: 'block',
        extra: `  onOverload: ${choice}\n  onTimeout: ${choice}\n  timeoutMs: ${timeoutMs}\n`,
      })
    const { simulator, sidecar } = await started(t, policy(60_000), { env })
    const burst = Array.from({ length: 12 }, (_, at) => user(clean(400_000, `${at}`)))
    const replies = await Promise.all(burst.map((message) => chat(sidecar.url, { body: { messages: [message] } })))
    const refused = replies.filter(({ status }) => status !== 200)
    const overloads = await sidecar.metric('acc_scan_failures_total', { reason: 'overloaded' })
    t.ok(overloads >= 8, `${overloads} scans found the queue full`)
    t.equal(refused.length, choice === 'open' ? 0 : overloads)
    t.equal(await sidecar.metric('acc_uninspected_overload_total'), choice === 'open' ? overloads : 0)
    t.equal(simulator.requests().length, 12 - refused.length, 'what is refused is not sent')
    for (const reply of refused) {
      t.match(reply, { status: 503, code: 'acc_inspection_unavailable', message: /queue is full.*"test" is closed/ })
      t.equal(reply.headers.get('retry-after'), '1')
    }

    const before = await revisionInForce(sidecar.adminUrl)
    writePolicies(sidecar.policyDir, { 'security.yaml': policy(10) })
    await until('the short time-out is in force', async () =>
      (await revisionInForce(sidecar.adminUrl)) === before ? null : true,
    )
    const slow = await chat(sidecar.url, { body: { messages: [user(hostile(5_000_000))] } })
    t.equal(await sidecar.metric('acc_scan_failures_total', { reason: 'timed-out' }), 1)
    t.equal(await sidecar.metric('acc_uninspected_timeout_total'), choice === 'open' ? 1 : 0)
    if (choice === 'open') t.equal(slow.status, 200)
    else t.match(slow, { status: 503, code: 'acc_inspection_unavailable', message: /took too long.*"test" is closed/ })
    t.equal((await chat(sidecar.url, { body: { messages: [user(SECRET)] } })).status, 403, 'and it goes on working')
  })
}

/** Text that is nothing but beginnings of secrets. */
function hostile(chars: number): string {
  const beginnings = ['sk-', 'AKIA', 'ghp_', 'xoxb-', '-----BEGIN ', 'password=', 'api_key: ', 'postgres://', 'secret ']
  return beginnings.join('').repeat(chars / beginnings.join('').length)
}

t.test('ten megabytes that look like secrets everywhere hold nobody else up', async (t) => {
  const { sidecar } = await started(t, securityYaml({ request: 'alert', extra: PATIENT }))
  const text = hostile(10_000_000)
  const startedMs = performance.now()
  DETECTORS[0]?.detect(text.slice(0, 1_000_000), { source: 'user' })
  const scanMs = 10 * (performance.now() - startedMs)
  const lagMs = await least(
    (ms) => ms < scanMs / 4,
    async (round) => {
      await metricsText(sidecar.adminUrl)
      // Another text each time: what was scanned is remembered.
      t.equal((await chat(sidecar.url, { body: { messages: [user(`${round} ${text}`)] } })).status, 200)
      return 1_000 * (await sidecar.metric('nodejs_eventloop_lag_max_seconds'))
    },
  )
  t.ok(lagMs < scanMs / 4, `the event loop was held for ${lagMs.toFixed()} ms; the scan takes ${scanMs.toFixed()}`)
})

t.test('a secret in an answer, plain or streamed, is taken out or ends it, and never reaches the client', async (t) => {
  const reply = encodeURIComponent(`Sure, it is ${SECRET} and that was it.`)
  for (const response of ['redact', 'block']) {
    const { sidecar } = await started(t, securityYaml({ response }))
    const ask = async (stream: boolean, fault = '') => {
      const headers = { 'x-sim-reply': reply, 'x-sim-fault': fault }
      const answer = await chat(sidecar.url, { body: { stream, max_tokens: 200 }, headers })
      t.notMatch(answer.text, SECRET.slice(0, 8))
      return answer
    }
    for (const fault of ['', 'one-byte-chunks']) {
      const { status, text } = await ask(true, fault)
      t.equal(status, 200)
      const content = [...text.matchAll(/^data: (\{.*\})$/gm)]
        .map(([, json = '']) => JSON.parse(json).choices?.[0]?.delta?.content ?? '')
        .join('')
      t.match(content, /^Sure, it is \[REDACTED:[\w:-]+\]/)
      if (response === 'redact') t.match(content, / and that was it\.$/)
      else t.match(text, /"code":"acc_security_blocked"/)
    }
    const plain = await ask(false)
    if (response === 'block') t.same([plain.status, plain.code], [403, 'acc_security_blocked'])
    else t.match(JSON.parse(plain.text).choices[0].message.content, /^Sure, it is \[REDACTED:[\w:-]+\] and/)
    for (const { outcome, findings } of await sidecar.events(3)) {
      t.equal(outcome, response === 'block' ? 'cut' : 'completed')
      t.match(findings, [{ direction: 'response', action: response, count: 1 }])
    }
  }
})

t.test(
  'an answer that cannot be read is refused where the policy would hold answers back, and counted elsewhere',
  async (t) => {
    const headers = { 'x-sim-fault': 'truncated-json' }
    for (const [response, told] of [
      ['block', { status: 503, code: 'acc_inspection_unavailable' }],
      ['alert', { status: 200, code: null }],
    ] as const) {
      const { sidecar, simulator } = await started(t, securityYaml({ response }))
      t.match(await chat(sidecar.url, { headers }), told)
      t.equal(await sidecar.metric('acc_uninspected_answers_total'), response === 'alert' ? 1 : 0)
      const [event] = await sidecar.events(1)
      const billed = simulator.bill.entries().reduce((sum, { costPicoUsd }) => sum + BigInt(costPicoUsd ?? 0), 0n)
      t.ok(BigInt(event?.attempts[0]?.chargedNanoUsd ?? 0) * 1_000n >= billed, 'it is charged all the same')
    }
  },
)

t.test('every text is counted by where it stood, in requests, answers and streams', async (t) => {
  const { sidecar } = await started(t, securityYaml({}))
  const messages = [
    { role: 'system', content: 'be kind' },
    user('hello'),
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
    },
    { role: 'tool', tool_call_id: 'c', content: 'result' },
  ]
  const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }]
  await chat(sidecar.url, { body: { messages, tools } })
  await chat(sidecar.url, { body: { stream: true } })
  const count = (way: string, source: string) =>
    sidecar.metric('acc_scan_segments_total', { detector: 'secrets', way, source })
  t.same(
    await Promise.all(
      ['system', 'user', 'assistant', 'tool_call', 'tool_result', 'tool_definition'].map((source) =>
        count('request', source),
      ),
    ),
    [1, 2, 0, 1, 1, 1],
  )
  t.equal(await count('response', 'assistant'), 1)
  t.equal(await count('response_stream', 'assistant'), 1)
})

t.test('a detector that does not find its canary at the start keeps the sidecar from being ready', async (t) => {
  const folder = folderFor(t)
  mkdirSync(folder, { recursive: true })
  const registry = pathToFileURL(inCheckout('detectors/registry.ts')).href
  writeFileSync(
    join(folder, 'blind.ts'),
    `import { DETECTORS } from ${JSON.stringify(registry)}\nDETECTORS[0].detect = () => []\n`,
  )
  const { sidecar } = await started(t, securityYaml({}), {
    nodeArgs: ['--import', pathToFileURL(join(folder, 'blind.ts')).href],
  })
  const state = await readiness(sidecar.adminUrl)
  t.match(state, { status: 503, ready: false, checks: { detectors: { ok: false, detail: 'dead: secrets' } } })
  t.equal(await sidecar.metric('acc_scan_dead_detectors'), 1)
  t.match(
    sidecar.log.find(({ level }) => level === 'error'),
    { message: /do not find what they must/, dead: ['secrets'] },
  )
})
