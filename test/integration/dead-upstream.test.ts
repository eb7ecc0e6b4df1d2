import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { createPriceBook, readRateCard } from '@agentcostcontrol/policy'
import t, { type Test } from 'tap'
import { chat } from '../support/chat.ts'
import { deafPortFor } from '../support/deaf-port.ts'
import { inCheckout } from '../support/paths.ts'
import type { Scope } from '../support/scope.ts'
import { AMPLE_BUDGET, providerYaml, sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'

const CARD = readRateCard(readFileSync(inCheckout('seed/rate-card.json'), 'utf8'))
const PRICES = createPriceBook(CARD)

/** A model of a provider that has a price today. */
function modelOf(provider: string): string {
  const priced = CARD.models.find((each) => each.provider === provider && PRICES.find(provider, each.model, Date.now()))
  if (!priced) throw new Error(`no model of ${provider} has a price`)
  return priced.model
}

/** A port on which every connection gets this. */
async function portFor(scope: Scope, onConnection: Parameters<typeof createServer>[1]): Promise<number> {
  const server = createServer(onConnection)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  scope.teardown(() => void server.close())
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

/** Where a port is looked for that nobody listens on: below those that the kernel gives to whoever asks for any. */
const CLOSED_PORTS = { first: 20_000, count: 10_000 } as const

/** A port on which nobody listens, nor will: other tests have their ports from the kernel. */
async function closedPort(): Promise<number> {
  const { first, count } = CLOSED_PORTS
  for (let at = 0; at < count; at++) {
    const port = first + ((process.pid + at * 7) % count)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) =>
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true)),
    )
    if (!isFree) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
  throw new Error(`every port from ${first} to ${first + count} is taken`)
}

interface Dead {
  /** Stands for the kind of death: each provider has an address of its own. */
  readonly provider: string
  readonly how: string
  readonly baseUrl: string
  readonly status: number
  readonly code: string
  readonly message: RegExp
  readonly charged: 'nothing' | 'bound'
}

async function deaths(t: Test): Promise<readonly Dead[]> {
  const refused = await closedPort()
  const deaf = await deafPortFor(t)
  const plain = new URL((await simulatorFor(t)).url).port
  const silent = await portFor(t, (socket) => void socket.on('error', () => {}).resume())
  const noRoute = { status: 502, code: 'acc_upstream_unreachable', charged: 'nothing' } as const
  return [
    {
      provider: 'openai',
      how: 'nobody listens',
      baseUrl: `http://127.0.0.1:${refused}/v1`,
      ...noRoute,
      message: new RegExp(`127\\.0\\.0\\.1:${refused} cannot be reached \\(ECONNREFUSED\\).*base URL`),
    },
    // A label of more than 63 characters: no resolver takes it any further.
    {
      provider: 'groq',
      how: 'the name is not known',
      baseUrl: `http://${'n'.repeat(70)}.invalid/v1`,
      ...noRoute,
      message: /cannot be reached \((ENOTFOUND|EAI_\w+)\)/,
    },
    {
      provider: 'mistral',
      how: 'TLS with a server that has none',
      baseUrl: `https://127.0.0.1:${plain}/v1`,
      ...noRoute,
      message: /cannot be reached \((EPROTO|ERR_SSL_\w+)\)/,
    },
    {
      provider: 'xai',
      how: 'TLS with a server that closes',
      baseUrl: `https://127.0.0.1:${await portFor(t, (socket) => void socket.on('error', () => {}).destroy())}/v1`,
      ...noRoute,
      message: /cannot be reached \(\w+\)/,
    },
    {
      provider: 'deepseek',
      how: 'no connection in time',
      baseUrl: `http://127.0.0.1:${deaf}/v1`,
      status: 504,
      code: 'acc_upstream_timeout',
      message: new RegExp(`:${deaf} did not accept a connection in time`),
      charged: 'nothing',
    },
    {
      provider: 'cerebras',
      how: 'TLS that is never answered',
      baseUrl: `https://127.0.0.1:${silent}/v1`,
      status: 504,
      code: 'acc_upstream_timeout',
      message: /did not accept a connection in time/,
      charged: 'nothing',
    },
    {
      provider: 'fireworks',
      how: 'a request that is never answered',
      baseUrl: `http://127.0.0.1:${silent}/v1`,
      status: 504,
      code: 'acc_upstream_timeout',
      message: /did not answer in time/,
      charged: 'bound',
    },
  ]
}

t.test('each way in which a provider can be dead is told clearly, and costs what the documents say', async (t) => {
  const dead = await deaths(t)
  const sidecar = await sidecarFor(t, {
    upstream: dead[0]?.baseUrl ?? '',
    policies: {
      'budget.yaml': AMPLE_BUDGET,
      'a.yaml': providerYaml({ connectTimeoutMs: 300 }, 'deepseek'),
      'b.yaml': providerYaml({ connectTimeoutMs: 300 }, 'cerebras'),
      'c.yaml': providerYaml({ headersTimeoutMs: 1000 }, 'fireworks'),
    },
    env: Object.fromEntries(dead.map(({ provider, baseUrl }) => [`ACC_UPSTREAM_${provider.toUpperCase()}`, baseUrl])),
  })
  await Promise.all(
    dead.map(async ({ provider, how, status, code, message }) => {
      const body = { model: modelOf(provider), stream: false }
      const reply = await chat(sidecar.url, {
        path: `/${provider}/v1/chat/completions`,
        body,
        headers: { 'x-acc-task': provider },
      })
      t.match(reply, { status, code, message }, how)
      t.match(reply.headers.get('retry-after') ?? '', /^\d+$/, `${how}: when to try again`)
      t.match(reply.headers.get('x-acc-request-id'), /^[0-9a-f-]{36}$/, how)
    }),
  )
  for (const event of await sidecar.events(dead.length)) {
    const {
      provider = '',
      how = '',
      code,
      status,
      charged,
    } = dead.find((each) => each.provider === event.principal.task) ?? {}
    const [attempt] = event.attempts
    t.match(event, { outcome: 'failed', code, clientStatus: status }, how)
    t.equal(attempt?.provider, provider)
    t.equal(attempt?.chargedNanoUsd, charged === 'bound' ? attempt?.boundNanoUsd : '0', `${how}: charged`)
    t.not(attempt?.boundNanoUsd, '0')
  }
  t.equal(await sidecar.metric('acc_outbox_open_intents'), 0)
  t.equal(await sidecar.metric('acc_budget_reserved_usd'), 0)
})

t.test('a provider that comes back is used at once, and one that is dead holds nobody else up', async (t) => {
  const simulator = await simulatorFor(t)
  const deaf = await deafPortFor(t)
  const port = await closedPort()
  const sidecar = await sidecarFor(t, {
    upstream: `http://127.0.0.1:${port}/v1`,
    policies: { 'budget.yaml': AMPLE_BUDGET, 'a.yaml': providerYaml({ connectTimeoutMs: 8_000 }, 'deepseek') },
    env: { ACC_UPSTREAM_DEEPSEEK: `http://127.0.0.1:${deaf}/v1`, ACC_UPSTREAM_GROQ: `${simulator.url}/v1` },
  })
  const slow = Array.from({ length: 20 }, () =>
    chat(sidecar.url, { path: '/deepseek/v1/chat/completions', body: { model: modelOf('deepseek') } }),
  )
  let over = 0
  for (const each of slow) void each.then(() => over++)
  for (let at = 0; at < 5; at++)
    t.equal(
      (await chat(sidecar.url, { path: '/groq/v1/chat/completions', body: { model: modelOf('groq') } })).status,
      200,
    )
  t.equal(over, 0, 'while twenty wait for the deaf one')
  t.equal((await chat(sidecar.url)).code, 'acc_upstream_unreachable')
  await simulatorFor(t, { port })
  t.equal((await chat(sidecar.url)).status, 200)
  for (const reply of await Promise.all(slow)) t.equal(reply.code, 'acc_upstream_timeout')
})
