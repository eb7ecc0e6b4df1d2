import { createServer, request } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { clusterFor } from '../../control-plane/test/support/database.ts'
import { askApi, controlPlaneFor } from '../support/control-plane.ts'
import { folderFor, type Scope } from '../support/scope.ts'
import { AMPLE_BUDGET, sidecarFor, withPolicy } from '../support/sidecar.ts'
import { until } from '../support/until.ts'

const MB = 1024 * 1024
const JSON_TYPE = { 'content-type': 'application/json' }
const STREAM_TYPE = { 'content-type': 'text/event-stream' }
/** Not in any log, event or metric. */
const PLANTED = 'quick brown fox'

const delta = (fields: object): string =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'gpt-4.1-mini', choices: [{ index: 0, delta: fields, finish_reason: null }] })}\n\n`
const END = 'data: [DONE]\n\n'
const answer = (content: string): string =>
  JSON.stringify({ id: 'c', model: 'gpt-4.1-mini', choices: [{ index: 0, message: { role: 'assistant', content } }] })
/** Text that takes so many bytes. */
const megabytes = (count: number): string => PLANTED.padEnd(count * MB, ' word')
const call = `{"note":"${PLANTED.padEnd(150 * 1024, 'x')}"}`
const calling = delta({
  tool_calls: [{ index: 0, id: 'x', type: 'function', function: { name: 'f', arguments: call } }],
})

/** What a provider sends, and by which rule it is told of. */
interface Unread {
  readonly rule: 'too-large' | 'no-room' | 'unreadable' | 'not-json'
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** What is read part by part, where nobody wants it whole. */
  readonly onlyWhereClosed?: boolean
  /** What is copied as it passes is read from the copy. */
  readonly onlyWhereWatched?: boolean
}

const gzip = { 'content-encoding': 'gzip' }
const WAYS: Readonly<Record<string, Unread>> = {
  large: { rule: 'too-large', headers: JSON_TYPE, body: Buffer.from(answer(megabytes(33))) },
  'large when decoded': {
    rule: 'too-large',
    headers: { ...JSON_TYPE, ...gzip },
    body: gzipSync(answer(megabytes(33))),
  },
  // Stored, so that it is as long before as behind.
  'no room': {
    rule: 'no-room',
    headers: { ...JSON_TYPE, ...gzip },
    body: gzipSync(answer(megabytes(25)), { level: 0 }),
  },
  coding: { rule: 'unreadable', headers: { ...JSON_TYPE, 'content-encoding': 'compress' }, body: Buffer.from(PLANTED) },
  'broken coding': { rule: 'unreadable', headers: { ...JSON_TYPE, ...gzip }, body: Buffer.from(PLANTED) },
  type: { rule: 'unreadable', headers: { 'content-type': 'text/html' }, body: Buffer.from(PLANTED) },
  'stream in a coding': {
    rule: 'unreadable',
    headers: { ...STREAM_TYPE, 'content-encoding': 'compress' },
    body: Buffer.from(PLANTED),
  },
  'stream in a broken coding': {
    rule: 'unreadable',
    headers: { ...STREAM_TYPE, ...gzip },
    body: Buffer.from(PLANTED),
    onlyWhereWatched: true,
  },
  'no JSON': { rule: 'not-json', headers: JSON_TYPE, body: Buffer.from(answer(PLANTED).slice(0, -9)) },
  'no JSON in a stream': {
    rule: 'not-json',
    headers: STREAM_TYPE,
    body: Buffer.from(`data: ${PLANTED}\n\ndata: ${PLANTED}\n\n${END}`),
  },
  'a call that is too long': {
    rule: 'too-large',
    headers: STREAM_TYPE,
    body: Buffer.from(calling + END),
    onlyWhereClosed: true,
  },
}

/** Agents, each with a policy of its own: closed, open, and closed but without anything that it would do to an answer. */
const AGENTS = ['closed', 'open', 'watched'] as const
type Agent = (typeof AGENTS)[number]
const ways = (agent: Agent): readonly (readonly [string, Unread])[] =>
  Object.entries(WAYS).filter(
    ([, { onlyWhereClosed, onlyWhereWatched }]) =>
      (!onlyWhereClosed || agent === 'closed') && (!onlyWhereWatched || agent === 'watched'),
  )

const policyOf = (agent: Agent): string => {
  const does = agent === 'watched' ? 'alert' : 'block'
  const choice = agent === 'open' ? 'open' : 'closed'
  return `apiVersion: agentcostcontrol.io/v1
kind: SecurityPolicy
metadata: { name: ${agent} }
spec:
  selector: { agent: ${agent} }
  detectors: { secrets: { response: { low: ${does}, medium: ${does}, high: ${does}, critical: ${does} } } }
  onOverload: ${choice}
  onTimeout: ${choice}
  timeoutMs: 60000
`
}

/** A provider that answers what a header asks for. */
async function providerFor(scope: Scope): Promise<string> {
  const server = createServer((asked, response) => {
    const way = WAYS[String(asked.headers['x-way'])]
    asked.resume().once('end', () => response.writeHead(200, way?.headers).end(way?.body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  scope.teardown(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  return `http://127.0.0.1:${address.port}`
}

interface Got {
  readonly status: number
  readonly body: Buffer
}

/** Asks, and takes the body as it comes over the wire. */
const ask = (url: string, agent: Agent, way: string, streamed: boolean): Promise<Got> =>
  new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'x-acc-agent': agent, 'x-way': way }
    request(`${url}/v1/chat/completions`, { method: 'POST', headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response
        .on('data', (chunk: Buffer) => chunks.push(chunk))
        .once('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }))
        .once('error', reject)
    })
      .once('error', reject)
      .end(
        JSON.stringify({
          model: 'gpt-4.1-mini',
          max_tokens: 16,
          // With its usage, so that nothing has to be taken out of it.
          ...(streamed ? { stream: true, stream_options: { include_usage: true } } : {}),
          messages: [{ role: 'user', content: 'hi' }],
        }),
      )
  })

async function begun(t: Test) {
  const provider = await providerFor(t)
  const databaseUrl = await (await clusterFor(t))()
  const tokenFile = join(folderFor(t), 'token')
  const plane = await controlPlaneFor(t, {
    policies: {
      'budget.yaml': AMPLE_BUDGET,
      ...Object.fromEntries(AGENTS.map((agent) => [`${agent}.yaml`, policyOf(agent)])),
    },
    env: { DATABASE_URL: databaseUrl, CONTROL_PLANE_ENROLMENT_TOKEN_FILE: tokenFile },
  })
  const sidecar = await withPolicy(
    sidecarFor(t, {
      upstream: `${provider}/v1`,
      env: {
        ACC_CONTROL_PLANE_URL: plane.url,
        ACC_CONTROL_PLANE_TOKEN_FILE: tokenFile,
        // Room for one of those that are too large, and not for one that is held twice.
        ACC_BUFFERED_BYTES_MAX: String(40 * MB),
      },
    }),
  )
  const api = <Body>(path: string) => askApi<Body>(`${plane.url}/api/v1${path}`, plane.adminKey ?? '')
  return { sidecar, api }
}

interface Shown {
  readonly events: readonly { readonly agent: string; readonly rule: string; readonly action: string }[]
}

t.test(
  'an answer that cannot be read is refused where the policy is closed, passes as it came where it is open or would do nothing about it, and is told to people either way',
  async (t) => {
    const { sidecar, api } = await begun(t)
    const expected: string[] = []
    const counts = new Map<string, number>()
    let passed = 0
    for (const agent of AGENTS) {
      for (const [name, { rule, headers, body }] of ways(agent)) {
        await until('the one before holds nothing', async () =>
          (await sidecar.metric('acc_buffered_answer_bytes')) === 0 ? true : null,
        )
        const streamed = headers['content-type'] === STREAM_TYPE['content-type']
        const got = await ask(sidecar.url, agent, name, streamed)
        const what = `${agent}: ${name}`
        const cut = agent === 'closed'
        if (cut) {
          const isCutStream = streamed && headers['content-encoding'] === undefined
          t.equal(got.status, isCutStream ? 200 : 503, what)
          const text = got.body.toString()
          t.match(text, /"acc_inspection_unavailable"/, what)
          t.match(
            text,
            /answer could not be inspected \([^)]+\) and the security policy \\?"closed\\?" is closed/,
            what,
          )
          t.notMatch(text, PLANTED, `${what}: nothing of it is told`)
        } else {
          t.equal(got.status, 200, what)
          t.ok(got.body.equals(body), `${what}: it passes as it came`)
        }
        const count = name === 'no JSON in a stream' && !cut ? 2 : 1
        if (!cut) passed += count
        expected.push(`${agent} ${rule} ${cut ? 'block' : 'alert'}`)
        const key = `${rule} ${cut ? 'block' : 'alert'}`
        counts.set(key, count + (counts.get(key) ?? 0))
      }
    }
    const events = await sidecar.events(expected.length)
    for (const { outcome, code, findings, attempts } of events) {
      t.equal(findings.length, 1)
      t.match(findings, [{ detectorId: 'inspection', severity: 'high', direction: 'response', mode: 'enforce' }])
      const isCut = findings[0]?.action === 'block'
      t.same([outcome, code], isCut ? ['cut', 'acc_inspection_unavailable'] : ['completed', null])
      t.not(attempts[0]?.chargedNanoUsd, '0', 'it is charged')
    }
    for (const [key, count] of counts) {
      const [rule = '', action = ''] = key.split(' ')
      const labels = { detector: 'inspection', rule, action, direction: 'response' }
      t.equal(await sidecar.metric('acc_findings_total', labels), count, key)
    }
    t.equal(await sidecar.metric('acc_uninspected_answers_total'), passed)

    const { body } = await until(
      'the control plane has them all',
      async () => {
        const told = await api<Shown>('/security/events?detector=inspection&severity=high&limit=200')
        return told.body.events.length === expected.length ? told : null
      },
      60_000,
    )
    const told = body.events.map(({ agent, rule, action }) => `${agent} ${rule} ${action}`)
    t.same(told.toSorted(), expected.toSorted())

    const reasons = new Set(Object.values(WAYS).map(({ rule }) => rule))
    const lines = await until('the log tells of each kind', () => {
      const found = sidecar.log.filter(({ message }) => message === 'a text could not be inspected')
      return [...reasons].every((rule) => found.some(({ reason }) => reason === rule)) ? found : null
    })
    t.match(lines[0], { level: 'error', direction: 'response', done: 'refused', sinceLastLine: 1 })
    t.notMatch(JSON.stringify([events, sidecar.log]), PLANTED)
  },
)
