import { DETECTOR_IDS, type SegmentSource } from '@agentcostcontrol/contract'
import { DETECTORS } from '@agentcostcontrol/detectors'
import { assemblePolicy, checkPolicy, readFolder, viewFolder } from '@agentcostcontrol/policy'
import t from 'tap'
import { chat } from '../support/chat.ts'
import { inCheckout } from '../support/paths.ts'
import { sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { twinsFor } from '../support/twins.ts'

/** The three that there are to begin with; `starter` is the balanced one. */
const FOLDERS = ['observe', 'starter', 'strict'] as const
const folderOf = (name: (typeof FOLDERS)[number]): string => inCheckout(`policies/${name}`)

async function checked(name: (typeof FOLDERS)[number]) {
  const folder = folderOf(name)
  const { files } = await readFolder(folder, await viewFolder(folder))
  return { files, check: checkPolicy(files) }
}

const canariesOf = (source: SegmentSource): readonly string[] =>
  DETECTORS.filter(({ sources }) => sources.includes(source)).map((detector) => detector.canary())

const ANSWER = canariesOf('assistant').join('\n\n')

/** A chat that holds the canary of every detector, each where it looks. */
function canaries(): Readonly<Record<string, unknown>> {
  const called = canariesOf('tool_call')
  return {
    model: 'gpt-4.1-mini',
    max_tokens: 400,
    messages: [
      ...canariesOf('user').map((content) => ({ role: 'user', content })),
      {
        role: 'assistant',
        content: ANSWER,
        tool_calls: called.map((text, at) => ({
          id: `c${at}`,
          type: 'function',
          function: { name: 'send', arguments: text.startsWith('{') ? text : JSON.stringify({ note: text }) },
        })),
      },
      ...canariesOf('tool_result').map((content, at) => ({ role: 'tool', tool_call_id: `c${at}`, content })),
    ],
    tools: canariesOf('tool_definition').map((description, at) => ({
      type: 'function',
      function: { name: `send_${at}`, description },
    })),
  }
}

/** Two providers may answer in two seconds. */
const undated = ({ text }: { readonly text: string }): string => text.replaceAll(/"created":\d+/g, '')

t.test('each passes its own tests, names every detector that a policy can name, and says what it is', async (t) => {
  for (const name of FOLDERS) {
    const { files, check } = await checked(name)
    t.ok(check.ok, `${name}: ${check.ok ? '' : JSON.stringify(check.problems[0])}`)
    if (!check.ok) continue
    t.ok(check.tests >= 5, `${name}: ${check.tests} cases`)
    const holds = assemblePolicy(check).securityFor(
      { agent: 'a', workflow: null, session: null, task: null, tags: {} },
      null,
    )
    t.same(holds?.detectors.map(({ detectorId }) => detectorId).toSorted(), [...DETECTOR_IDS].toSorted(), name)
    t.equal(holds?.name, name === 'starter' ? 'balanced' : name)
    const choice = name === 'observe' ? 'open' : 'closed'
    t.match(holds, { onOverload: choice, onTimeout: choice }, `${name} is ${choice}`)
    t.ok(files.length > 0)
  }
})

t.test('the budgets and providers of strict are those of the starter', async (t) => {
  const [one, other] = [await checked('starter'), await checked('strict')]
  const plain = ({ files }: typeof one): readonly string[] =>
    files.filter(({ path }) => /^(?:budget|provider)-/.test(path)).map(({ path, text }) => `${path}\n${text}`)
  t.same(plain(other), plain(one))
})

t.test('observe changes no byte of a request or an answer, and tells of everything', async (t) => {
  const { direct, behind, sidecar } = await twinsFor(t, { policyDir: folderOf('observe') })
  const raw = JSON.stringify(canaries(), null, 1)
  const headers = { 'x-sim-reply': encodeURIComponent(ANSWER), 'x-acc-agent': 'a' }
  const [plain, told] = [
    await chat(direct.url, { raw, headers, path: '/v1/chat/completions' }),
    await chat(sidecar.url, { raw, headers }),
  ]
  t.equal(told.status, 200)
  t.equal(undated(told), undated(plain), 'the answer')
  t.equal(behind.requests().at(-1)?.body.toString(), raw, 'the request')
  const streamed = JSON.stringify({ ...canaries(), stream: true, stream_options: { include_usage: true } })
  const stream = [
    await chat(direct.url, { raw: streamed, headers, path: '/v1/chat/completions' }),
    await chat(sidecar.url, { raw: streamed, headers }),
  ]
  t.same(stream.map(undated)[1], stream.map(undated)[0], 'the stream')
  t.equal(behind.requests().at(-1)?.body.toString(), streamed)
  // Without a price, and above the budgets of a day: nobody is refused.
  t.equal((await chat(sidecar.url, { body: { model: 'nobody-knows-it' } })).status, 200)
  const [first, second] = await sidecar.events(3)
  for (const event of [first, second]) {
    const seen = new Set(event?.findings.map(({ detectorId, direction }) => `${detectorId} ${direction}`))
    for (const { id, sources } of DETECTORS) {
      t.ok(seen.has(`${id} request`), `${id} in the request`)
      if (sources.includes('assistant')) t.ok(seen.has(`${id} response`), `${id} in the answer`)
    }
    t.same([...new Set(event?.findings.map(({ mode }) => mode))], ['audit'])
  }
})

t.test('strict blocks what is medium or worse both ways, and lets pass what is not', async (t) => {
  const { behind, sidecar } = await twinsFor(t, { policyDir: folderOf('strict') })
  const hook = { url: 'https://discord.com/api/webhooks/123456789012345678/abcDEF-123' }
  const called = { id: 'c', type: 'function', function: { name: 'post', arguments: JSON.stringify(hook) } }
  const [user, assistant, call] = [
    DETECTORS.filter(({ sources }) => sources.includes('user')).map((detector) => ({
      role: 'user',
      content: detector.canary(),
    })),
    [
      { role: 'assistant', content: ANSWER },
      { role: 'user', content: 'go on' },
    ],
    [
      { role: 'assistant', content: '', tool_calls: [called] },
      { role: 'tool', tool_call_id: 'c', content: 'ok' },
    ],
  ]
  for (const messages of [...user.map((message) => [message]), assistant, call]) {
    const { status, code } = await chat(sidecar.url, { body: { messages } })
    t.same([status, code], [403, 'acc_security_blocked'], JSON.stringify(messages).slice(0, 80))
  }
  t.equal(behind.requests().length, 0, 'and none of it is sent')
  for (const stream of [false, true]) {
    const answered = await chat(sidecar.url, {
      body: { stream },
      headers: { 'x-sim-reply': encodeURIComponent(ANSWER) },
    })
    t.notMatch(answered.text, /AKIA|canary\.invalid/, 'nor told')
    const acted = await chat(sidecar.url, {
      body: { stream, max_tokens: 400, tools: [{ type: 'function', function: { name: 'post' } }] },
      headers: { 'x-sim-tool-call': encodeURIComponent(JSON.stringify(hook)) },
    })
    t.notMatch(acted.text, /webhooks/, 'what is medium in a call neither')
  }
  t.equal(
    (await chat(sidecar.url, { body: { messages: [{ role: 'user', content: 'What is the capital of France?' }] } }))
      .status,
    200,
  )
})

t.test('strict refuses what its detectors have no time to look at; observe lets it pass and counts it', async (t) => {
  const simulator = await simulatorFor(t)
  const env = { ACC_SCAN_THREADS_MAX: '1', ACC_SCAN_QUEUE_MAX: '1' }
  const text = (at: number): string => `${at} ${'The quick brown fox jumps over the lazy dog. '.repeat(2_500)}`
  for (const name of ['observe', 'strict'] as const) {
    const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, policyDir: folderOf(name), env })
    const replies = await Promise.all(
      Array.from({ length: 12 }, (_, at) =>
        chat(sidecar.url, { body: { messages: [{ role: 'user', content: text(at) }] } }),
      ),
    )
    const passed = await sidecar.metric('acc_uninspected_overload_total')
    const refused = replies.filter(({ code }) => code === 'acc_inspection_unavailable').length
    if (name === 'strict') t.ok(refused >= 1 && passed === 0, `${refused} refused, ${passed} passed unseen`)
    else t.ok(refused === 0 && passed >= 1, `${refused} refused, ${passed} passed unseen`)
  }
})
