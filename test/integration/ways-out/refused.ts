import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { send } from '../../support/ask.ts'
import { bundleSigner, keepBundle, keepStopped } from '../../support/bundles.ts'
import { inCheckout } from '../../support/paths.ts'
import { folderFor } from '../../support/scope.ts'
import { AMPLE_BUDGET, budgetYaml, providerYaml, securityYaml } from '../../support/sidecar.ts'
import { until } from '../../support/until.ts'
import { aborted, completed, type Desk, denied, type Place, type Way } from '../../support/ways-out.ts'

/** Sends any body to any path. */
const post =
  (path: string, body: string, headers: Readonly<Record<string, string>> = {}): Way['go'] =>
  ({ sidecar }) =>
    fetch(`${sidecar.url}${path}`, { method: 'POST', headers: { authorization: 'Bearer any', ...headers }, body })

const CHAT = '/v1/chat/completions'
/** No request is known that makes a stage throw: a fault of that kind is put in. */
const THROWING = '{"model":"gpt-4.1-mini","messages":[],"max_tokens":9,"user":"throw"}'

/** Stages 2, 3, 5 and 6: what the request itself and the policy forbid. */
const strict: Desk = {
  name: 'a strict policy',
  settings: {
    nodeArgs: ['--import', inCheckout('test/preload/throwing-stage.ts')],
    policies: {
      'budget.yaml': AMPLE_BUDGET,
      'provider.yaml': providerYaml({ onUnbounded: 'deny', onUnpricedModel: 'deny', onUnpricedEndpoint: 'deny' }),
    },
  },
  ways: [
    {
      name: 'a path with two readings',
      go: post('/v1//chat/completions', '{}'),
      ends: denied('acc_route_unknown', 404),
    },
    {
      name: 'a label that is too long',
      go: ({ ask }) => ask({ headers: { 'x-acc-agent': 'a'.repeat(254) } }),
      ends: denied('acc_header_invalid', 400),
    },
    { name: 'a body that is no JSON', go: post(CHAT, '{"model":'), ends: denied('acc_body_not_json', 400) },
    {
      name: 'a body with a key that stands twice',
      go: post(CHAT, '{"model":"gpt-4.1-mini","messages":[],"max_tokens":1,"max_tokens":9}'),
      ends: denied('acc_body_ambiguous', 400),
    },
    {
      name: 'a compressed body',
      go: post(CHAT, '{}', { 'content-encoding': 'gzip' }),
      ends: denied('acc_body_encoding_unsupported', 415),
    },
    { name: 'no model', go: post(CHAT, '{"messages":[]}'), ends: denied('acc_model_missing', 400) },
    {
      name: 'an endpoint that may cost something',
      go: post('/v1/images/generations', '{"model":"gpt-image-1","prompt":"a"}'),
      ends: denied('acc_endpoint_denied', 403),
    },
    {
      name: 'a free endpoint that the policy denies',
      go: ({ sidecar }) => fetch(`${sidecar.url}/v1/models`),
      ends: denied('acc_endpoint_denied', 403),
    },
    {
      name: 'a provider without an address',
      go: post('/vllm/v1/chat/completions', '{"model":"own","messages":[]}'),
      ends: denied('acc_upstream_unconfigured', 503),
    },
    {
      name: 'a model without a price',
      go: ({ ask }) => ask({ model: 'gpt-unheard-of' }),
      ends: denied('acc_model_unpriced', 403),
    },
    {
      name: 'a cost that the body does not bound',
      go: ({ ask }) => ask({ body: { web_search_options: {} } }),
      ends: denied('acc_request_unbounded', 403),
    },
    {
      name: 'a stage that throws',
      go: post(CHAT, THROWING),
      ends: [{ outcome: 'failed', code: 'acc_internal', clientStatus: 500, charged: 'nothing' }],
    },
  ],
}

/** Stage 4: what the detectors see, or do not get to see. */
const guarded: Desk = {
  name: 'a security policy',
  settings: {
    policies: {
      'budget.yaml': AMPLE_BUDGET,
      'security.yaml': securityYaml({ request: 'block', extra: '  onTimeout: closed\n  timeoutMs: 10\n' }),
    },
  },
  ways: [
    {
      name: 'a secret in the prompt',
      go: ({ ask }) => ask({ prompt: `my key is ${SECRET}` }),
      ends: denied('acc_security_blocked', 403),
    },
    {
      name: 'a prompt that takes longer than the policy waits',
      go: ({ ask }) => ask({ prompt: 'lorem ipsum '.repeat(1_000_000) }),
      ends: denied('acc_inspection_unavailable', 503),
    },
  ],
}

/** A key that stands in no other test, in the format of a well-known provider. */
export const SECRET = ['ghp', 'x7Kq2Vn9Lp4Rt6Wz8Yb3Dc5Fg1Hj0MsNvAeQ'].join('_')

/** Sends bytes, and gives what came back until the connection was closed. */
const rawAnswer = (port: number, bytes: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(port, '127.0.0.1')
      .setEncoding('latin1')
      .on('data', (chunk: string) => {
        text += chunk
      })
      .on('close', () => resolve(text))
      .on('error', reject)
    socket.write(bytes)
  })

const HALF = { 'content-type': 'application/json', 'content-length': '1000' }

/** Stage 1: the limits. */
const tight: Desk = {
  name: 'tight limits',
  settings: { env: { ACC_BODY_BYTES_MAX: '2048', ACC_CONCURRENCY_MAX: '1', ACC_HEADER_BYTES_MAX: '4096' } },
  ways: [
    {
      name: 'a body that is too large',
      go: ({ ask }) => ask({ prompt: 'a'.repeat(4_096) }),
      ends: denied('acc_body_too_large', 413),
    },
    {
      name: 'a body that ends in its middle',
      go: async ({ sidecar }) => {
        const half = request(`${sidecar.url}${CHAT}`, { method: 'POST', headers: HALF }).on('error', () => {})
        half.write('{"model"')
        await until('the request is there', async () =>
          (await sidecar.metric('acc_requests_in_flight')) === 1 ? 1 : null,
        )
        half.destroy()
        return null
      },
      ends: denied('acc_body_incomplete', null),
    },
    {
      name: 'more requests than allowed at once',
      go: (place) =>
        besides(place, 'the only one', async () => {
          const second = await send(place.sidecar.url)
          if (second.headers.get('x-acc-code') !== 'acc_overloaded') throw new Error(`answered ${second.status}`)
        }),
      ends: [...denied('acc_overloaded', 503), ...aborted('bound')],
    },
    {
      name: 'headers that are too large: before there is a request, so it is counted and not told',
      go: async ({ sidecar }) => {
        const before = await sidecar.metric('acc_client_errors_total')
        const response = await send(sidecar.url, { headers: { 'x-long': 'a'.repeat(5_000) } })
        await response.text()
        if (response.status !== 431 || response.headers.get('x-acc-code') !== 'acc_headers_too_large')
          throw new Error(`answered ${response.status}`)
        if ((await sidecar.metric('acc_client_errors_total')) !== before + 1) throw new Error('not counted')
        return null
      },
      ends: [],
    },
    {
      name: 'bytes that are no HTTP: counted and not told',
      go: async ({ sidecar }) => {
        const answer = await rawAnswer(sidecar.port, 'HELLO\r\n\r\n')
        if (!answer.includes('x-acc-code: acc_header_invalid')) throw new Error(answer)
        return null
      },
      ends: [],
    },
  ],
}

/** Sends the beginning of a request and waits for the answer to it. */
const stopsAfter =
  (beginning: string): Way['go'] =>
  async ({ sidecar }) => {
    const answer = await rawAnswer(sidecar.port, beginning)
    if (!answer.startsWith('HTTP/1.1 408 ') || !answer.includes('acc_request_timeout')) throw new Error(answer)
    return null
  }

/** Stage 1: time. */
const impatient: Desk = {
  name: 'a client that stops sending',
  settings: { env: { ACC_REQUEST_TIMEOUT_MS: '200' } },
  ways: [
    {
      name: 'in its headers: counted and not told',
      go: stopsAfter('POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n'),
      ends: [],
    },
    {
      name: 'in its body',
      go: stopsAfter('POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n\r\n{"model"'),
      ends: denied('acc_request_timeout', 408),
    },
  ],
}

/** What one request of this desk may cost at most takes nearly all of an agent's money. */
const SMALL = '0.100000000'
const waiting = ({ sidecar }: Place, count: number): Promise<true> =>
  until(`${count} wait for money`, async () =>
    (await sidecar.metric('acc_budget_waiting_requests')) === count ? true : null,
  )

/** A request of an agent that holds its money while another one of it is tried. */
async function besides(place: Place, agent: string, other: () => Promise<void>): Promise<null> {
  const leaving = new AbortController()
  const headers = { 'x-acc-agent': agent }
  const holder = place.ask({ headers, prompt: agent, sim: { fault: 'hang' }, signal: leaving.signal }).catch(() => null)
  await until('the provider has it', () => (place.simulator.requests().some(has(agent)) ? true : null))
  await other()
  leaving.abort()
  await holder
  return null
}

/** The provider sees no `x-acc-` header: requests are told apart there by their prompt. */
const has =
  (prompt: string) =>
  ({ body }: { readonly body: Buffer }): boolean =>
    body.includes(`"${prompt}"`)

/** Stage 6: money. */
const poor: Desk = {
  name: 'small budgets',
  settings: { policies: { 'budget.yaml': budgetYaml({ name: 'each', limit: SMALL, agent: '*' }) } },
  ways: [
    {
      name: 'a budget that is spent for that much',
      go: ({ ask }) => ask({ headers: { 'x-acc-agent': 'poor' }, prompt: 'a'.repeat(200_000) }),
      ends: denied('acc_budget_exceeded', 429),
    },
    {
      name: 'a budget that a running request holds',
      go: (place) =>
        besides(place, 'busy', async () => {
          const response = await place.ask({ headers: { 'x-acc-agent': 'busy' } })
          if (response.headers.get('x-acc-code') !== 'acc_budget_busy') throw new Error(`answered ${response.status}`)
        }),
      ends: [...denied('acc_budget_busy', 429), ...aborted('bound')],
    },
    {
      name: 'a client that leaves while it waits for money',
      go: (place) =>
        besides(place, 'leaving', async () => {
          const leaving = new AbortController()
          const waiter = place.ask({ headers: { 'x-acc-agent': 'leaving' }, signal: leaving.signal }).catch(() => null)
          await waiting(place, 1)
          leaving.abort()
          await waiter
          await waiting(place, 0)
        }),
      ends: [...aborted('nothing'), ...aborted('bound')],
    },
  ],
}

async function unwritable({ sidecar, simulator, ask }: Place, prompt: string): Promise<Response> {
  const db = new DatabaseSync(join(sidecar.dataDir, 'outbox.sqlite'))
  db.exec('BEGIN IMMEDIATE')
  const response = await ask({ prompt })
  db.exec('ROLLBACK')
  db.close()
  if (simulator.requests().some(has(prompt))) throw new Error('it was sent')
  return response
}

/** Another process holds the file of the outbox, as a full or broken disk would. */
const locked: Desk = {
  name: 'an outbox that cannot be written',
  ways: [
    {
      name: 'a request that has no lease yet, and gets none',
      go: (place) => unwritable(place, 'no lease'),
      ends: denied('acc_outbox_unavailable', 503),
    },
    {
      name: 'a request before',
      go: ({ ask }) => ask(),
      ends: completed(200, 'bill'),
    },
    {
      name: 'a request that has a lease',
      go: (place) => unwritable(place, 'with a lease'),
      ends: denied('acc_outbox_unavailable', 503),
    },
  ],
}

const lawless: Desk = {
  name: 'no valid policy',
  settings: { policies: { 'broken.yaml': 'apiVersion: agentcostcontrol.io/v1\nkind: Budget\n' } },
  ways: [{ name: 'nobody knows what is allowed', go: ({ ask }) => ask(), ends: denied('acc_policy_missing', 503) }],
}

/** A sidecar whose control plane has been gone for too long. */
const forgotten: Desk = {
  name: 'a policy that is too old',
  settings: {
    env: { ACC_CONTROL_PLANE_URL: 'http://127.0.0.1:9', ACC_ON_STALE: 'failClosed', ACC_STALE_AFTER_MS: '1000' },
  },
  dataDir: (t) => {
    const dataDir = folderFor(t)
    const signer = bundleSigner()
    keepBundle(dataDir, signer.bundle({ 'budget.yaml': AMPLE_BUDGET }), [signer.key])
    return dataDir
  },
  ways: [
    {
      name: 'the control plane is silent',
      go: async ({ sidecar, ask }) => {
        await until('it is stale', async () => ((await sidecar.metric('acc_policy_stale')) === 1 ? true : null))
        return ask()
      },
      ends: denied('acc_policy_stale', 503),
    },
  ],
}

/** What people said of an agent holds without the control plane, too. */
const stopped = (state: 'paused' | 'quarantined'): Desk => ({
  name: `an agent that is ${state}`,
  settings: { env: { ACC_CONTROL_PLANE_URL: 'http://127.0.0.1:9' } },
  dataDir: (t) => {
    const dataDir = folderFor(t)
    const signer = bundleSigner()
    keepBundle(dataDir, signer.bundle({ 'budget.yaml': AMPLE_BUDGET }), [signer.key])
    keepStopped(dataDir, '(none)', state)
    return dataDir
  },
  ways: [{ name: 'whatever it asks', go: ({ ask }) => ask(), ends: denied(`acc_agent_${state}`, 403) }],
})

/** A budget that slows down once it is spent: what is asked first spends it. */
const slow: Desk = {
  name: 'a budget that lets a request a minute pass',
  settings: {
    policies: {
      'budget.yaml': `${budgetYaml({ name: 'slow', limit: '0.000001' })}  action: throttle\n  throttle: { requestsPerMinute: 1 }\n`,
    },
  },
  ways: [
    ...['what spends it', 'the one of this minute'].map((name) => ({
      name,
      go: ({ ask }: Place) => ask(),
      ends: completed(200, 'bill'),
    })),
    { name: 'one more', go: ({ ask }) => ask(), ends: denied('acc_budget_throttled', 429) },
  ],
}

/** A budget that nothing may be spent of while the control plane is away. */
const away: Desk = {
  name: 'a budget that denies while the control plane is away',
  settings: { env: { ACC_CONTROL_PLANE_URL: 'http://127.0.0.1:9' } },
  dataDir: (t) => {
    const dataDir = folderFor(t)
    const signer = bundleSigner()
    keepBundle(dataDir, signer.bundle({ 'budget.yaml': `${AMPLE_BUDGET}  onDisconnect: deny\n` }), [signer.key])
    return dataDir
  },
  ways: [
    {
      name: 'whatever is asked',
      go: async ({ sidecar, ask }) => {
        await until('it is known to be away', async () =>
          (await sidecar.metric('acc_control_channel_failures_total')) > 0 ? true : null,
        )
        return ask()
      },
      ends: denied('acc_budget_disconnected', 503),
    },
  ],
}

/** What the sidecar does by itself about an agent that asks the same again and again. */
const looping: Desk = {
  name: 'an agent that runs away',
  settings: {
    policies: {
      'budget.yaml': AMPLE_BUDGET,
      'security.yaml': securityYaml({
        extra:
          '  runaway: { repeats: { count: 3 }, action: throttle, throttle: { requestsPerMinute: 1, forS: 3600 } }\n',
      }),
    },
  },
  ways: [
    ...['once', 'twice', 'three times', 'once more'].map((name) => ({
      name: `it asks ${name}`,
      go: ({ ask }: Place) => ask({ prompt: 'again' }),
      ends: completed(200, 'bill'),
    })),
    {
      name: 'it is slowed down',
      go: ({ ask }) => ask({ prompt: 'again' }),
      ends: denied('acc_agent_throttled', 429),
    },
  ],
}

/** Everything that is refused before it is sent. */
export const REFUSED: readonly Desk[] = [
  strict,
  guarded,
  tight,
  impatient,
  poor,
  locked,
  lawless,
  forgotten,
  stopped('paused'),
  stopped('quarantined'),
  slow,
  away,
  looping,
]
