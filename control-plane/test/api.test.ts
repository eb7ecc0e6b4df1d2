import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import type { EnrolmentAnswer } from '@agentcostcontrol/contract'
import t, { type Test } from 'tap'
import {
  type ApiAnswer,
  askApi,
  askApiOnce,
  controlPlaneFor,
  enrol,
  sendEvents,
} from '../../test/support/control-plane.ts'
import { until } from '../../test/support/until.ts'
import { PROBLEM_CATALOGUE, type Problem } from '../errors.ts'
import { batchOf, INSTANCE, usageEvent } from './support/events.ts'

const plane = await controlPlaneFor(t)
const { url } = plane
const adminKey = plane.adminKey ?? ''
const credential = await enrol(url, adminKey, INSTANCE)

interface OpenApi {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses: object }>>>>
}

const spec = async (): Promise<OpenApi> => (await askApi<OpenApi>(`${url}/api/v1/openapi.json`, adminKey)).body

function isProblem(t: Test, answer: ApiAnswer<Problem>, code: string, message: string): void {
  const status = PROBLEM_CATALOGUE.find((known) => known.code === code)?.status
  t.match(
    [answer.status, answer.body],
    [status, { status, code, type: `urn:agentcostcontrol:problem:${code}` }],
    message,
  )
  t.equal(answer.headers.get('content-type'), 'application/problem+json', message)
  t.equal(answer.headers.get('x-content-type-options'), 'nosniff', message)
}

t.test('no path answers without a key, with a key of another kind, or with one that is not valid', async (t) => {
  const document = await spec()
  const paths = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ path, method })),
  )
  t.ok(paths.length >= 8, 'the check sees paths')
  const wrong = adminKey.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))
  for (const { path, method } of [...paths, { path: '/api/v1/openapi.json', method: 'get' }]) {
    const body = method === 'post' ? '{}' : undefined
    const sidecars = path.startsWith('/sidecar/')
    isProblem(
      t,
      await askApi(url + path, sidecars ? adminKey : credential, body, method.toUpperCase()),
      'acc_api_forbidden',
      `${path}, other kind`,
    )
  }
  // Strangers are soon told to wait: one path stands for all, since the key is looked at before the path.
  for (const key of [null, wrong, 'nonsense', `${wrong} x`])
    isProblem(t, await askApi(`${url}/api/v1/usage/summary`, key), 'acc_api_unauthenticated', String(key))
  t.equal((await askApi(`${url}/api/v1/usage/summary`, null)).headers.get('www-authenticate'), 'Bearer')
  isProblem(t, await askApi(`${url}/api/v1/nowhere`, adminKey), 'acc_api_not_found', 'no such path')
})

t.test('guessing keys is soon slowed down, and good keys are not', async (t) => {
  const limited = await until('one that has to wait', async () => {
    const guesses = Array.from({ length: 40 }, () => askApiOnce<Problem>(`${url}/api/v1/requests`, 'guess'))
    return (await Promise.all(guesses)).find(({ status }) => status === 429) ?? null
  })
  isProblem(t, limited, 'acc_api_rate_limited', 'limited')
  t.ok(Number(limited.headers.get('retry-after')) >= 1)
  t.equal((await askApi(`${url}/api/v1/requests`, adminKey)).status, 200)
})

t.test('an enrolment token gives a credential of one sidecar, which brings up that one’s events alone', async (t) => {
  const token = (await askApi<{ readonly token: string }>(`${url}/api/v1/enrolment-tokens`, adminKey, '')).body.token
  const other = randomUUID()
  const enrolled = await askApi<EnrolmentAnswer>(`${url}/sidecar/v1/enrol`, token, { instanceId: other })
  t.match(enrolled, { status: 200, body: { validForMs: 3_600_000 } })
  const answer = await sendEvents(
    url,
    enrolled.body.credential,
    batchOf([usageEvent(), usageEvent({ instanceId: other })]),
  )
  t.match(answer, { status: 200, body: { stored: 1, refused: [{ seq: 1, reason: /another sidecar/ }] } })
  isProblem(t, await askApi(`${url}/sidecar/v1/enrol`, token, { instanceId: 'x' }), 'acc_api_invalid', 'no id')
  isProblem(
    t,
    await askApi(`${url}/sidecar/v1/events`, token, batchOf([usageEvent()])),
    'acc_api_forbidden',
    'a token is no credential',
  )
})

t.test('what PostgreSQL cannot even read is a mistake of whoever asks', async (t) => {
  for (const path of [
    'tasks?agent=%00',
    'tasks?workflow=a%00',
    'requests?agent=%00',
    'requests?model=%00',
    'agents?cursor=AA',
    'agents/%00/history',
    'security/events?agent=%00',
    'security/events?rule=a%00',
    'security/events/9007199254740993',
    'security/tool-pins?tool=%00',
    'security/summary?detector=%00',
  ])
    isProblem(t, await askApi(`${url}/api/v1/${path}`, adminKey), 'acc_api_invalid', path)
})

t.test('what is no batch is refused whole, and nothing of it is stored', async (t) => {
  const before = (await askApi(`${url}/api/v1/usage/summary`, adminKey)).body
  const event = usageEvent()
  const bad: readonly (readonly [unknown, string])[] = [
    ['{', 'acc_api_invalid'],
    [{ events: [] }, 'acc_api_invalid'],
    [{ events: [{ seq: 0, event }] }, 'acc_api_invalid'],
    [{ events: [{ seq: 1, event }], more: 1 }, 'acc_api_invalid'],
    [batchOf(Array.from({ length: 1_001 }, () => event)), 'acc_api_invalid'],
    [`{"events":[{"seq":1,"event":${JSON.stringify(event)},"__proto__":{"a":1}}]}`, 'acc_api_invalid'],
  ]
  for (const [body, code] of bad)
    isProblem(t, await askApi(`${url}/sidecar/v1/events`, credential, body), code, JSON.stringify(body).slice(0, 80))
  const form = await fetch(`${url}/sidecar/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${credential}`, 'content-type': 'text/xml' },
    body: '<a/>',
  })
  t.match({ status: form.status, ...JSON.parse(await form.text()) }, { status: 415, code: 'acc_api_media_type' })
  t.same((await askApi(`${url}/api/v1/usage/summary`, adminKey)).body, before)
})

t.test('a body of 50 MB is refused without being read, whether its length is told or not', async (t) => {
  const told = await rawPost(`content-length: ${50 * 1024 * 1024}`, 0)
  t.match(told.answer, /^HTTP\/1\.1 413 [\s\S]*acc_api_body_too_large/)
  const chunked = await rawPost('transfer-encoding: chunked', 50)
  t.ok(chunked.sentMb < 50, `the connection ended after ${chunked.sentMb} MB`)
  t.match(chunked.answer, /^$|^HTTP\/1\.1 413 /)
  t.equal((await askApi(`${url}/api/v1/usage/summary`, adminKey)).status, 200)
})

/** Sends the head of a batch and up to `megabytes` of its body, until there is an answer or an end. */
async function rawPost(
  length: string,
  megabytes: number,
): Promise<{ readonly answer: string; readonly sentMb: number }> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let answer = ''
  let ended = false
  const over = new Promise<void>((resolve) => {
    const end = (): void => {
      ended = true
      resolve()
    }
    socket.on('error', end)
    socket.on('close', end)
    socket.setEncoding('latin1').on('data', (text) => {
      answer += text
      end()
    })
  })
  const head = `POST /sidecar/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${credential}`
  socket.write(`${head}\r\ncontent-type: application/json\r\n${length}\r\n\r\n`)
  const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(1024 * 1024, ' '), Buffer.from('\r\n')])
  let sentMb = 0
  for (; sentMb < megabytes && !ended; sentMb++) {
    const written = new Promise<void>((resolve) => socket.write(chunk, () => resolve()))
    await Promise.race([written, over])
  }
  await over
  socket.destroy()
  return { answer, sentMb }
}

t.test(
  'the OpenAPI document is of version 3.1, names every path with its answers, and leads nowhere outside',
  async (t) => {
    const document = await spec()
    t.equal(document.openapi, '3.1.0')
    t.same(Object.keys(document.paths).sort(), [
      '/api/v1/agents',
      '/api/v1/agents/{id}/history',
      '/api/v1/agents/{id}/pause',
      '/api/v1/agents/{id}/quarantine',
      '/api/v1/agents/{id}/release',
      '/api/v1/agents/{id}/resume',
      '/api/v1/budgets',
      '/api/v1/budgets/status/summary',
      '/api/v1/budgets/{id}',
      '/api/v1/budgets/{id}/history',
      '/api/v1/budgets/{id}/reset',
      '/api/v1/budgets/{id}/status',
      '/api/v1/enrolment-tokens',
      '/api/v1/ledger',
      '/api/v1/ledger/counters',
      '/api/v1/ledger/recovery/end',
      '/api/v1/ledger/releases',
      '/api/v1/policies/current',
      '/api/v1/policies/revisions',
      '/api/v1/policies/revisions/{revision}',
      '/api/v1/prices',
      '/api/v1/prices/find',
      '/api/v1/prices/versions',
      '/api/v1/requests',
      '/api/v1/requests/{eventId}',
      '/api/v1/security/events',
      '/api/v1/security/events/{id}',
      '/api/v1/security/summary',
      '/api/v1/security/suppressions',
      '/api/v1/security/suppressions/{id}',
      '/api/v1/security/threat-intel',
      '/api/v1/security/threat-intel/{name}',
      '/api/v1/security/threat-intel/{name}/content',
      '/api/v1/security/threat-intel/{name}/refresh',
      '/api/v1/security/tool-pins',
      '/api/v1/security/tool-pins/{id}',
      '/api/v1/security/tool-pins/{id}/approve',
      '/api/v1/security/tool-pins/{id}/reject',
      '/api/v1/sidecars',
      '/api/v1/tasks',
      '/api/v1/usage/agents',
      '/api/v1/usage/models',
      '/api/v1/usage/series',
      '/api/v1/usage/summary',
      '/api/v1/usage/workflows',
      '/sidecar/v1/channel',
      '/sidecar/v1/enrol',
      '/sidecar/v1/events',
      '/sidecar/v1/heartbeat',
      '/sidecar/v1/leases/hello',
      '/sidecar/v1/leases/sync',
      '/sidecar/v1/threat-intel/{version}',
      '/sidecar/v1/tool-pins',
    ])
    const text = JSON.stringify(document)
    for (const [, pointer = ''] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const found = pointer
        .split('/')
        .reduce<unknown>((at, key) => Object.entries(at ?? {}).find(([name]) => name === key)?.[1], document)
      t.ok(found, pointer)
    }
    for (const methods of Object.values(document.paths))
      for (const { responses } of Object.values(methods)) t.match(Object.keys(responses), /401/)
  },
)

t.test('probes and metrics stand on a port of their own and tell of no tenant', async (t) => {
  const get = async (path: string) => {
    const response = await fetch(plane.adminUrl + path)
    return { status: response.status, text: await response.text() }
  }
  t.match(await get('/healthz'), { status: 200 })
  t.match(await get('/readyz'), { status: 200 })
  t.match(await get('/nowhere'), { status: 404 })
  const { text } = await get('/metrics')
  t.match(text, /^acc_ingest_events_total\{result="stored"\} [1-9]/m)
  t.match(text, /^acc_api_request_duration_seconds_count\{route="\/sidecar\/v1\/events",status="200"\} [1-9]/m)
  t.notMatch(text, INSTANCE)
})
