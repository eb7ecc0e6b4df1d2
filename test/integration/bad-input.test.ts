import t from 'tap'
import { BAD_BODIES, withMember } from '../support/bad-bodies.ts'
import { chat } from '../support/chat.ts'
import { chunked, RawConnection, request } from '../support/raw-http.ts'
import { AMPLE_BUDGET, securityYaml, sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

t.test(
  'whatever stands in a body: a clear error or the provider’s own answer, one event each, and no fault of ours',
  async (t) => {
    const simulator = await simulatorFor(t)
    const policies = {
      'budget.yaml': AMPLE_BUDGET,
      'security.yaml': securityYaml({ request: 'block', extra: '  timeoutMs: 60000\n' }),
    }
    const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, policies })
    for (const [at, { name, send, ends }] of BAD_BODIES.entries()) {
      const { status, code, message, text } = await chat(sidecar.url, send)
      const expected = { status, code: ends.code === null ? null : code }
      t.same(expected, { status: ends.status, code: ends.code }, `${name}: ${text.slice(0, 200)}`)
      if (ends.message) t.match(message, ends.message, name)
      if (code?.startsWith('acc_')) t.ok(message.length < 600, `${name}: a message of ${message.length} characters`)
      t.equal((await sidecar.events(at + 1)).length, at + 1, `${name}: one event`)
    }
    t.equal((await chat(sidecar.url)).status, 200)
    t.same(
      sidecar.log.filter(({ level }) => level === 'error'),
      [],
    )
    const events = await sidecar.events(BAD_BODIES.length + 1)
    const billed = simulator.bill.entries().reduce((sum, { costPicoUsd }) => sum + BigInt(costPicoUsd ?? 0), 0n)
    const charged = events
      .flatMap(({ attempts }) => attempts)
      .reduce((sum, { chargedNanoUsd }) => sum + BigInt(chargedNanoUsd), 0n)
    t.ok(charged * 1_000n >= billed, 'what passed is charged')
  },
)

/** Requests of every format with a key that stands twice: for what it costs, for what it says, and how deep. */
const TWICE: Readonly<Record<string, readonly [key: string, body: string][]>> = {
  '/openai/v1/chat/completions': [
    ['model', '{"model":"gpt-4.1-nano","messages":[],"max_tokens":9,"model":"gpt-4.1-mini"}'],
    ['max_tokens', '{"model":"gpt-4.1-mini","messages":[],"max_tokens":100000,"max_tokens" :1}'],
    ['max_tokens', '{"model":"gpt-4.1-mini","messages":[],"max\\u005ftokens":1,"max_tokens":100000}'],
    ['content', '{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"a","content":"b"}],"max_tokens":9}'],
    ['stream', `{"stream":true,"model":"gpt-4.1-mini","messages":[{"content":"${'é'.repeat(9_000)}"}],"stream":false}`],
  ],
  '/openai/v1/responses': [
    ['max_output_tokens', '{"model":"gpt-4.1-mini","input":"a","max_output_tokens":1,"max_output_tokens":9}'],
  ],
  '/openai/v1/embeddings': [['input', '{"model":"text-embedding-3-small","input":"a","input":"b"}']],
  '/anthropic/v1/messages': [
    ['max_tokens', '{"model":"claude-sonnet-4-5","messages":[],"max_tokens":1,"max_tokens":9}'],
    ['budget_tokens', '{"model":"claude-sonnet-4-5","max_tokens":9,"thinking":{"budget_tokens":1,"budget_tokens":9}}'],
  ],
  '/google/v1beta/models/gemini-2.5-flash:generateContent': [
    ['generationConfig', '{"contents":[],"generationConfig":{"maxOutputTokens":1},"generationConfig":{}}'],
    ['maxOutputTokens', '{"contents":[],"generationConfig":{"maxOutputTokens":1,"maxOutputTokens":9}}'],
  ],
  '/ollama/api/chat': [['num_predict', '{"model":"qwen3:8b","options":{"num_predict":1,"num_predict":9}}']],
}

t.test('a key that stands twice is refused in every format, and nothing is sent', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
  let events = 0
  for (const [path, bodies] of Object.entries(TWICE))
    for (const [key, raw] of bodies) {
      const { status, text, headers } = await chat(sidecar.url, { path, raw })
      const told = { status, code: headers.get('x-acc-code'), named: text.includes(key) }
      t.same(told, { status: 400, code: 'acc_body_ambiguous', named: true }, `${path}: ${text.slice(0, 200)}`)
      events++
    }
  t.ok((await sidecar.events(events)).every(({ outcome, attempts }) => outcome === 'denied' && attempts.length === 0))
  const secret = `{"model":"gpt-4.1-mini","messages":[],"metadata":{"my words":"a","my words":"b"}}`
  t.notMatch((await chat(sidecar.url, { raw: secret })).text, 'my words', 'only a name is told')
  t.equal(simulator.requests().length, 0)
})

t.test('a body of 50 MB passes and is metered, and its memory comes back', async (t) => {
  const simulator = await simulatorFor(t, { recordRequests: false })
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
  const raw = new Uint8Array(Buffer.from(withMember(`"user":"${'a'.repeat(50_000_000)}"`)))
  const rssMb = async (): Promise<number> => (await sidecar.metric('process_resident_memory_bytes')) / 1_000_000
  const sizes: number[] = []
  for (let round = 0; round < 6; round++) {
    t.equal((await chat(sidecar.url, { raw })).status, 200)
    sizes.push(await rssMb())
  }
  const events = await sidecar.events(6)
  for (const { attempts } of events) t.equal(attempts[0]?.precision, 'exact')
  t.equal(await sidecar.metric('acc_buffered_request_bytes'), 0)
  const [second = 0, last = 0] = [sizes[1], sizes[5]]
  t.ok(last < second + 120, `resident after each: ${sizes.map(Math.round)} MB`)
})

t.test('a body over the limit is refused whether its length is told, chunked or a lie', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    env: { ACC_BODY_BYTES_MAX: '100000', ACC_REQUEST_TIMEOUT_MS: '2000' },
  })
  const body = withMember(`"user":"${'a'.repeat(120_000)}"`)
  const told = await chat(sidecar.url, { raw: body })
  t.match(told, { status: 413, code: 'acc_body_too_large', message: /100000 bytes \(ACC_BODY_BYTES_MAX\)/ })
  const target = 'POST /v1/chat/completions'
  const answerTo = async (bytes: Buffer) => {
    const connection = await RawConnection.open(t, sidecar.port)
    connection.send(bytes)
    return (await connection.answer()).start
  }
  t.match(
    await answerTo(Buffer.concat([request(target, ['Transfer-Encoding: chunked']), chunked(body, [5_000])])),
    / 413 /,
  )
  const small = withMember('"n":1')
  t.match(
    await answerTo(request(target, [`Content-Length: ${small.length + 50}`, 'Authorization: x'], small)),
    / 408 /,
    'less than was told',
  )
  const cut = await answerTo(request(target, [`Content-Length: ${small.length - 5}`, 'Authorization: x'], small))
  t.match(cut, / 400 /, 'more than was told: the rest is no request')
  t.equal(simulator.requests().length, 0)
  t.same(
    (await sidecar.events(4)).map(({ code }) => code),
    ['acc_body_too_large', 'acc_body_too_large', 'acc_request_timeout', 'acc_body_not_json'],
  )
  t.equal(await sidecar.metric('acc_buffered_request_bytes'), 0)
})

t.test('bodies that are too many at once are refused, and the ones that fit go through', async (t) => {
  const simulator = await simulatorFor(t, { recordRequests: false })
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, env: { ACC_BUFFERED_BYTES_MAX: '4000000' } })
  const raw = withMember(`"user":"${'a'.repeat(1_500_000)}"`)
  const replies = await Promise.all(
    Array.from({ length: 12 }, () =>
      chat(sidecar.url, { raw, headers: { 'x-sim-fault': '', 'x-sim-chunk-delay-ms': '0' } }),
    ),
  )
  const refused = replies.filter(({ status }) => status === 503)
  t.ok(refused.length > 0 && refused.length < 12, `${refused.length} of 12 are refused`)
  for (const reply of refused) {
    t.match(reply, { code: 'acc_overloaded', message: /4000000 bytes \(ACC_BUFFERED_BYTES_MAX\)/ })
    t.equal(reply.headers.get('retry-after'), '1')
  }
  t.ok(replies.every(({ status }) => status === 200 || status === 503))
  t.equal((await sidecar.events(12)).length, 12)
  await until('nothing is held', async () => ((await sidecar.metric('acc_buffered_request_bytes')) === 0 ? true : null))
  t.equal((await chat(sidecar.url, { raw })).status, 200)
})
