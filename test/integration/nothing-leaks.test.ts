import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DETECTORS } from '@agentcostcontrol/detectors'
import t from 'tap'
import { metricsText } from '../support/admin.ts'
import { readUntil, send } from '../support/ask.ts'
import { type ChatOptions, chat } from '../support/chat.ts'
import { inCheckout } from '../support/paths.ts'
import { exchange } from '../support/raw-http.ts'
import { AMPLE_BUDGET, budgetYaml, securityYaml, sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'

const CANARY = DETECTORS[0]?.canary() ?? ''
const [FOUND] = DETECTORS[0]?.detect(CANARY, { source: 'user' }) ?? []
/** What a detector matches. */
const SECRET = CANARY.slice(FOUND?.start, FOUND?.end)
/** Marks, each in a place of its own: whichever is found says where it leaked from. */
const mark = (place: string): string => `leaked${place}`
const KEY = `sk-${mark('key')}`

const auth = {
  authorization: `Bearer ${KEY}`,
  cookie: mark('cookie'),
  'x-api-key': mark('apikey'),
  'x-acc-unknown': mark('own'),
}
const user = (content: string) => [{ role: 'user', content }]

const REQUESTS: readonly ChatOptions[] = [
  // content in every place, plain and streamed
  {
    body: {
      messages: [
        { role: 'system', content: mark('system') },
        { role: 'user', content: [{ type: 'text', text: mark('part') }] },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: `{"a":"${mark('call')}"}` } }],
        },
        { role: 'tool', tool_call_id: 'c', content: mark('result') },
      ],
      tools: [{ type: 'function', function: { name: 'f', description: mark('tool'), parameters: { type: 'object' } } }],
      user: mark('user'),
      metadata: { a: mark('metadata') },
    },
    headers: { 'x-sim-reply': mark('completion') },
  },
  { body: { stream: true, messages: user(mark('streamed')) }, headers: { 'x-sim-reply': mark('streamedcompletion') } },
  {
    body: { messages: user(mark('call')), tools: [{ type: 'function', function: { name: 'f' } }] },
    headers: { 'x-sim-tool-call': mark('toolcall') },
  },
  // findings
  { body: { messages: user(`${mark('blocked')} ${SECRET}`) } },
  { body: { messages: user(mark('answer')) }, headers: { 'x-sim-reply': encodeURIComponent(`it is ${SECRET}`) } },
  {
    body: { stream: true, messages: user(mark('answer')) },
    headers: { 'x-sim-reply': encodeURIComponent(`it is ${SECRET}`) },
  },
  // refusals and faults
  { raw: `{"messages":"${mark('notjson')}` },
  { raw: JSON.stringify({ messages: user(mark('nomodel')) }) },
  { raw: JSON.stringify({ model: 'gpt-4.1-mini', messages: user(mark('large').repeat(20_000)) }) },
  { body: { messages: user(mark('poor')) }, headers: { 'x-acc-agent': 'poor' } },
  { body: { messages: user(mark('thrown')), user: `throw ${mark('thrown')}` } },
  { body: { messages: mark('refused') } },
  ...[
    'status-400',
    'status-401',
    'status-429',
    'status-500',
    'hang',
    'reset-before-headers',
    'truncated-json',
    'malformed-usage',
    'no-usage',
  ].map(
    (fault): ChatOptions => ({
      body: { messages: user(mark('fault')) },
      headers: { 'x-sim-fault': fault, 'x-sim-reply': mark('faultreply') },
    }),
  ),
  ...['cut-mid-stream', 'reset-mid-stream', 'stall-mid-stream', 'error-event'].map(
    (fault): ChatOptions => ({
      body: { stream: true, messages: user(mark('fault')) },
      headers: { 'x-sim-fault': fault },
    }),
  ),
  // paths
  { path: `/v1/chat/completions?key=${mark('query')}&api_key=${SECRET}` },
  { path: `/v1/${SECRET}/x?key=${mark('query')}` },
  { path: `/v1/files/${SECRET}` },
  { path: `/v1/files/${SECRET.replace('A', '%41')}/content` },
]

t.test(
  'no prompt, answer, key or matched text is in the log, the files, the metrics or the readiness of a sidecar',
  async (t) => {
    const simulator = await simulatorFor(t)
    const sidecar = await sidecarFor(t, {
      upstream: `${simulator.url}/v1`,
      policies: {
        'budget.yaml': AMPLE_BUDGET,
        'poor.yaml': budgetYaml({ name: 'poor', limit: '0.000001', agent: 'poor' }),
        'security.yaml': securityYaml({ request: 'block', response: 'redact', extra: '  timeoutMs: 60000\n' }),
        'provider.yaml': `apiVersion: agentcostcontrol.io/v1\nkind: ProviderConfig\nmetadata: { name: openai }\nspec: { provider: openai, headersTimeoutMs: 1000, idleTimeoutMs: 1000 }\n`,
      },
      env: { ACC_LOG_LEVEL: 'debug', ACC_BODY_BYTES_MAX: '100000' },
      nodeArgs: ['--import', inCheckout('test/preload/throwing-stage.ts')],
    })
    const shown: string[] = []
    for (const request of REQUESTS) {
      const { headers = {}, ...rest } = request
      const reply = await chat(sidecar.url, { ...rest, headers: { ...auth, ...headers } }).catch(() => null)
      if (reply?.code?.startsWith('acc_')) shown.push(reply.message)
    }
    const leaver = await send(sidecar.url, {
      stream: true,
      prompt: mark('left'),
      sim: { fault: 'stall-mid-stream', reply: mark('left') },
    })
    await (await readUntil(leaver, 'data: ')).leave()
    await exchange(
      t,
      sidecar.port,
      `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Bad : ${mark('header')}\r\n\r\n`,
    )
    await sidecar.events(REQUESTS.length + 1)
    t.ok(
      sidecar.log.some(({ message }) => message === 'internal error'),
      'the faulty stage was reached',
    )
    const live = [await metricsText(sidecar.adminUrl), await (await fetch(`${sidecar.adminUrl}/readyz`)).text()]
    t.equal(await sidecar.stop(), 0)

    const files = readdirSync(sidecar.dataDir).map((name) => ({
      name,
      text: readFileSync(join(sidecar.dataDir, name), 'latin1'),
    }))
    t.ok(files.some(({ name }) => name === 'policy-last-good.json'))
    const record = files.find(({ name }) => name === 'outbox.sqlite')?.text ?? ''
    t.match(record, /REDACTED:/, 'a path with a secret is kept without it')
    t.match(record, /chat\.completions/, 'the record is there to be searched')
    const places = [
      ...files,
      { name: 'the log', text: JSON.stringify(sidecar.log) },
      { name: 'standard error', text: sidecar.complaint() },
      { name: '/metrics and /readyz', text: live.join('\n') },
      { name: 'messages to the client', text: shown.join('\n') },
    ]
    for (const { name, text } of places) {
      t.same([...new Set(text.match(/leaked[a-z]*/g) ?? [])], [], `${name}: marks`)
      t.notOk(text.includes(SECRET), `${name}: what a detector matched`)
    }
  },
)
