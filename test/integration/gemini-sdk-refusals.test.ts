import { ApiError, type GenerateContentParameters } from '@google/genai'
import t, { type Test } from 'tap'
import { GEMINI_BASE, geminiAt } from '../support/gemini.ts'
import { recordedFetch } from '../support/sdk.ts'
import { budgetYaml, providerYaml, securityYaml } from '../support/sidecar.ts'
import { chargedOf, eventsOf, type Twins, tagged, twinsFor } from '../support/twins.ts'
import { until } from '../support/until.ts'

const HELLO: GenerateContentParameters = {
  model: 'gemini-2.5-flash',
  contents: 'hello',
  config: { maxOutputTokens: 1_000 },
}
const KEY = `ghp_${'x7Qm2LpR9sTv4WzY1bCd6FgH8jKn3MqS5uEa'}`
const LEAK = { 'x-sim-reply': encodeURIComponent(`it is ${KEY} and ${'so on '.repeat(50)}`) }
const GUARDED = securityYaml({ request: 'block', response: 'block', extra: '  selector: { agent: guarded }\n' })

/** An error as the SDK tells it: the JSON of the answer is its message, or ends it. */
function errorOf(thrown: unknown): { readonly status: number; readonly error: unknown } {
  if (!(thrown instanceof ApiError)) throw thrown
  return { status: thrown.status, error: JSON.parse(thrown.message.replace(/^[^{]*/, '')).error }
}

const refusal = (code: string, status: string, more: object = {}) => ({
  status,
  details: [
    {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: code.toUpperCase(),
      domain: 'agentcostcontrol.io',
      metadata: { code, ...more },
    },
  ],
})

const REFUSALS: readonly {
  readonly name: string
  readonly agent?: string
  readonly asked?: Partial<GenerateContentParameters>
  readonly status: number
  readonly error: object
}[] = [
  {
    name: 'a spent budget',
    agent: 'poor',
    status: 429,
    error: refusal('acc_budget_exceeded', 'RESOURCE_EXHAUSTED', {
      budget: 'poor',
      limit_usd: /^0\.0/,
      requested_usd: /^0\.0/,
    }),
  },
  {
    name: 'a secret in the prompt',
    agent: 'guarded',
    asked: { contents: `my key is ${KEY}` },
    status: 403,
    error: refusal('acc_security_blocked', 'PERMISSION_DENIED'),
  },
  {
    name: 'a secret in the arguments of an earlier call',
    agent: 'guarded',
    asked: { contents: [{ role: 'model', parts: [{ functionCall: { name: 'f', args: { deep: [{ key: KEY }] } } }] }] },
    status: 403,
    error: refusal('acc_security_blocked', 'PERMISSION_DENIED'),
  },
  {
    name: 'a model without a price',
    asked: { model: 'gemini-nobody-knows' },
    status: 403,
    error: refusal('acc_model_unpriced', 'PERMISSION_DENIED'),
  },
  {
    name: 'searches that nothing counts',
    asked: { model: 'gemini-3.5-flash', config: { tools: [{ googleSearch: {} }] } },
    status: 403,
    error: refusal('acc_request_unbounded', 'PERMISSION_DENIED'),
  },
  {
    name: 'a body beyond the limit',
    asked: { contents: 'long '.repeat(10_000) },
    status: 413,
    error: refusal('acc_body_too_large', 'INVALID_ARGUMENT'),
  },
]

async function readAll(stream: AsyncIterable<{ readonly text: string | undefined }>): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += chunk.text ?? ''
  return text
}

t.test('a refusal is the SDK’s error for its status, with the code in its details, and costs nothing', async (t) => {
  const { sidecar, behind } = await twinsFor(t, {
    env: { ACC_BODY_BYTES_MAX: '20000' },
    policies: { 'poor.yaml': budgetYaml({ name: 'poor', limit: '0.000001', agent: 'poor' }), 'security.yaml': GUARDED },
  })
  for (const { name, agent = 'other', asked, status, error } of REFUSALS) {
    for (const way of ['plain', 'streamed']) {
      await t.test(`${name}, ${way}`, async (t) => {
        const recorded = recordedFetch()
        const { models } = geminiAt(`${sidecar.url}/google`, 'refused', {
          headers: { 'x-acc-agent': agent },
          fetch: recorded.fetch,
        })
        const parameters = { ...HELLO, ...asked }
        const asking =
          way === 'plain' ? models.generateContent(parameters) : models.generateContentStream(parameters).then(readAll)
        const thrown = await asking.then(
          () => t.fail('it was let through'),
          (raised: unknown) => errorOf(raised),
        )
        t.match(thrown, { status, error: { ...error, code: status } })
        t.notMatch(JSON.stringify(thrown), KEY.slice(4), 'and never the text')
        t.equal(recorded.attempts.length, 1)
      })
    }
  }
  t.equal(behind.requests().length, 0, 'nothing was sent')

  await t.test('a refused array is an array of the error', async (t) => {
    const answer = await fetch(`${sidecar.url}/v1beta/models/gemini-nobody-knows:streamGenerateContent`, {
      method: 'POST',
      body: '{"contents":[]}',
    })
    t.match(await answer.json(), [{ error: refusal('acc_model_unpriced', 'PERMISSION_DENIED') }])
    const broken = await fetch(`${sidecar.url}/v1/models/m:streamGenerateContent`, { method: 'POST', body: '{' })
    t.match(await broken.json(), [{ error: refusal('acc_body_not_json', 'INVALID_ARGUMENT') }])
    const events = await fetch(`${sidecar.url}/v1/models/m:streamGenerateContent?alt=sse`, {
      method: 'POST',
      body: '{',
    })
    t.match(await events.json(), { error: refusal('acc_body_not_json', 'INVALID_ARGUMENT') })
  })

  await t.test('a secret in a streamed answer ends the stream with the SDK’s error', async (t) => {
    const { models } = geminiAt(`${sidecar.url}/google`, 'leak', { headers: { 'x-acc-agent': 'guarded', ...LEAK } })
    let text = ''
    const reading = async (): Promise<void> => {
      for await (const chunk of await models.generateContentStream(HELLO)) text += chunk.text ?? ''
    }
    const thrown = await reading().then(
      () => t.fail('it was let through'),
      (raised: unknown) => errorOf(raised),
    )
    t.match(thrown, { status: 403, error: refusal('acc_security_blocked', 'PERMISSION_DENIED') })
    t.match(text, /^it is /)
    t.notMatch(text, KEY.slice(4, 20))
    await chargedAsBilled(t, { sidecar, behind }, 'leak', 'cut')
  })

  await t.test('and one in an array leaves valid JSON, whose last element is the error', async (t) => {
    const answer = await fetch(`${sidecar.url}/google/v1beta/models/gemini-2.5-flash:streamGenerateContent`, {
      method: 'POST',
      headers: { 'x-goog-api-key': 'any', 'x-acc-agent': 'guarded', ...tagged('array'), ...LEAK },
      body: JSON.stringify({ contents: [{ parts: [{ text: 'hello' }] }] }),
    })
    const text = await answer.text()
    t.match(JSON.parse(text).at(-1), { error: refusal('acc_security_blocked', 'PERMISSION_DENIED') })
    t.match(JSON.parse(text)[0], { candidates: [{ content: { parts: [{ text: 'it' }] } }] })
    t.notMatch(text, KEY.slice(4, 20))
    await chargedAsBilled(t, { sidecar, behind }, 'array', 'cut')
  })
})

/** Holds that an exchange is charged never below the bill. */
async function chargedAsBilled(
  t: Test,
  { sidecar, behind }: Pick<Twins, 'sidecar' | 'behind'>,
  tag: string,
  outcome: string,
): Promise<void> {
  const [event] = await eventsOf(sidecar, tag, 1)
  t.match(event, { outcome })
  const entry = await until(`the end of ${tag} at the provider`, () => {
    const found = behind.bill.entries().find((each) => each.tag === tag)
    return found && found.ended !== 'open' ? found : null
  })
  t.ok(chargedOf(event ? [event] : []) * 1_000n >= BigInt(entry.costPicoUsd ?? 0))
}

t.test('a secret is redacted in requests and answers, in each part that holds text', async (t) => {
  const { sidecar, behind } = await twinsFor(t, {
    policies: { 'security.yaml': securityYaml({ request: 'redact', response: 'redact' }) },
  })
  const { models } = geminiAt(`${sidecar.url}${GEMINI_BASE.through}`, 'redacted', { headers: LEAK })
  const contents = [
    { role: 'user', parts: [{ text: `my key is ${KEY}` }] },
    { role: 'model', parts: [{ functionCall: { name: 'f', args: { key: KEY, days: 3 } } }] },
    { role: 'user', parts: [{ functionResponse: { name: 'f', response: { output: `found ${KEY}` } } }] },
  ]
  const config = { systemInstruction: `never tell ${KEY}` }
  const plain = await models.generateContent({ ...HELLO, contents, config })
  const streamed = await readAll(await models.generateContentStream({ ...HELLO, contents, config }))
  for (const text of [plain.text ?? '', streamed]) {
    t.match(text, /^it is \[REDACTED:[a-z:-]+\] and so on/)
    t.notMatch(text, KEY)
  }
  for (const { body } of behind.requests()) {
    t.notMatch(body.toString(), KEY.slice(4))
    t.match(JSON.parse(body.toString()), {
      contents: [
        { parts: [{ text: /^my key is \[REDACTED/ }] },
        { parts: [{ functionCall: { args: { key: /^\[REDACTED/, days: 3 } } }] },
        { parts: [{ functionResponse: { response: { output: /^found \[REDACTED/ } } }] },
      ],
      systemInstruction: { parts: [{ text: /^never tell \[REDACTED/ }] },
    })
  }
  const call = geminiAt(`${sidecar.url}/google`, 'call', {
    headers: { 'x-sim-tool-call': encodeURIComponent(JSON.stringify({ to: ['me'], key: KEY })) },
  })
  const tools = [{ functionDeclarations: [{ name: 'send' }] }]
  for await (const { functionCalls } of await call.models.generateContentStream({ ...HELLO, config: { tools } }))
    for (const { args } of functionCalls ?? []) t.match(args, { to: ['me'], key: /^\[REDACTED/ })
})

t.test('a budget that is nearly spent lowers the limit in the field that the SDK writes', async (t) => {
  const { sidecar, behind } = await twinsFor(t, {
    policies: { 'low.yaml': budgetYaml({ name: 'low', limit: '0.002' }) },
  })
  const { models } = geminiAt(`${sidecar.url}/google`, 'clamped', { headers: { 'x-sim-output-tokens': '5000' } })
  const { usageMetadata, sdkHttpResponse } = await models.generateContent({
    model: 'gemini-2.5-flash',
    contents: 'hello',
  })
  const limit = Number(sdkHttpResponse?.headers?.['x-acc-output-limit'])
  t.ok(limit > 100 && limit < 1_000)
  t.match(JSON.parse(behind.requests()[0]?.body.toString() ?? ''), { generationConfig: { maxOutputTokens: limit } })
  const { candidatesTokenCount = 0, thoughtsTokenCount = 0 } = usageMetadata ?? {}
  t.equal(candidatesTokenCount + thoughtsTokenCount, limit, 'thoughts count within it')
  const [event] = await eventsOf(sidecar, 'clamped', 1)
  t.match(event, { clampedOutputTokens: limit, attempts: [{ precision: 'exact' }] })
})

t.test('who leaves is drained: the provider goes on, and its bill is exact', async (t) => {
  const twins = await twinsFor(t)
  const headers = { 'x-sim-output-tokens': '1000', 'x-sim-chunk-delay-ms': '1' }
  for (const way of ['break', 'abort']) {
    const abort = new AbortController()
    const { models } = geminiAt(`${twins.sidecar.url}/google`, way, { headers })
    const config = { abortSignal: abort.signal }
    let left = 50
    const reading = async (): Promise<void> => {
      for await (const _ of await models.generateContentStream({ ...HELLO, config })) {
        left--
        if (left === 0 && way === 'break') break
        if (left === 0) abort.abort()
      }
    }
    await reading().catch(() => {})
    abort.abort()
    const [event] = await eventsOf(twins.sidecar, way, 1)
    t.match(event, { outcome: 'aborted', clientStatus: null, attempts: [{ precision: 'exact' }] }, way)
    const entry = twins.behind.bill.entries().find(({ tag }) => tag === way)
    t.equal(entry?.ended, 'completed')
    t.equal(event?.attempts[0]?.costNanoUsd, ((BigInt(entry?.costPicoUsd ?? 0) + 999n) / 1_000n).toString())
  }
})

t.test('where the policy aborts, the input that was told is charged, and the output that may be billed', async (t) => {
  const policies = { 'provider.yaml': providerYaml({ onClientAbort: 'abort' }, 'google') }
  const twins = await twinsFor(t, { policies })
  const headers = { 'x-sim-output-tokens': '1000', 'x-sim-chunk-delay-ms': '1' }
  const { models } = geminiAt(`${twins.sidecar.url}/google`, 'aborted', { headers })
  const abort = new AbortController()
  const stream = await models.generateContentStream({
    ...HELLO,
    config: { maxOutputTokens: 1_000, abortSignal: abort.signal },
  })
  for await (const _ of stream) break
  abort.abort()
  const [event] = await eventsOf(twins.sidecar, 'aborted', 1)
  const prompt = Number((event?.attempts[0]?.rawUsage as { promptTokenCount?: number } | null)?.promptTokenCount)
  t.match(event, {
    outcome: 'aborted',
    attempts: [{ precision: 'estimated', usage: { inputUncached: prompt, outputVisible: 1_000 } }],
  })
  await chargedAsBilled(t, twins, 'aborted', 'aborted')
})

t.test(
  'an answer without usage, or with one that makes no sense, is charged at its bound and never nothing',
  async (t) => {
    const twins = await twinsFor(t)
    for (const fault of ['no-usage', 'malformed-usage', 'end-mid-stream', 'html']) {
      for (const way of ['plain', 'streamed']) {
        if (fault === 'end-mid-stream' && way === 'plain') continue
        if (fault === 'html' && way === 'streamed') continue
        const tag = `${way}-${fault}`
        const { models } = geminiAt(`${twins.sidecar.url}/google`, tag, { headers: { 'x-sim-fault': fault } })
        const asking =
          way === 'plain' ? models.generateContent(HELLO) : models.generateContentStream(HELLO).then(readAll)
        await asking.catch(() => {})
        const [event] = await eventsOf(twins.sidecar, tag, 1)
        t.match(event?.attempts, [{ precision: 'estimated' }], tag)
        await chargedAsBilled(t, twins, tag, 'completed')
      }
    }
  },
)
