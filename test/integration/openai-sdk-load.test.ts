import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { billedExactly, openaiAt } from '../support/sdk.ts'
import { tagged, twinsFor } from '../support/twins.ts'

const AT_ONCE = 100
const numbers = Array.from({ length: AT_ONCE }, (_, at) => at)
const ask = (number: number) => ({
  model: 'gpt-4.1-mini',
  messages: [{ role: 'user' as const, content: `say ${number}` }],
})

/** Connections that the process's own fetch opens to a port, from now on. */
function connectionsTo(port: number): { readonly count: () => number; readonly stop: () => void } {
  let count = 0
  const onConnected = (message: unknown): void => {
    const params = typeof message === 'object' && message !== null ? Reflect.get(message, 'connectParams') : null
    if (params && Number(Reflect.get(params, 'port')) === port) count++
  }
  subscribe('undici:client:connected', onConnected)
  return { count: () => count, stop: () => unsubscribe('undici:client:connected', onConnected) }
}

t.test(
  'a hundred requests at once through one client: each gets its own answer, and the next hundreds keep the connections',
  async (t) => {
    const twins = await twinsFor(t)
    const connections = connectionsTo(twins.sidecar.port)
    t.teardown(connections.stop)
    const client = openaiAt(`${twins.sidecar.url}/openai/v1`, 'load')

    async function plain(number: number): Promise<string> {
      const headers = { 'x-sim-reply': `plain ${number}` }
      const { choices } = await client.chat.completions.create(ask(number), { headers })
      return choices[0]?.message.content ?? ''
    }
    async function streamed(number: number): Promise<string> {
      const headers = { 'x-sim-reply': `streamed ${number}`, 'x-sim-chunk-delay-ms': '5' }
      let said = ''
      for await (const { choices } of await client.chat.completions.create(
        { ...ask(number), stream: true },
        { headers },
      ))
        said += choices[0]?.delta.content ?? ''
      return said
    }

    t.strictSame(
      await Promise.all(numbers.map(plain)),
      numbers.map((number) => `plain ${number}`),
    )
    const opened = connections.count()
    t.ok(opened > 1 && opened <= AT_ONCE, `${opened} connections`)
    t.strictSame(
      await Promise.all(numbers.map(streamed)),
      numbers.map((number) => `streamed ${number}`),
    )
    const mixed = numbers.map((number) => (number % 2 === 0 ? plain(number) : streamed(number)))
    t.equal(new Set(await Promise.all(mixed)).size, AT_ONCE)
    // A connection that is not yet known to be free when the next wave begins has another one opened beside it.
    t.ok(connections.count() < 1.5 * AT_ONCE, `${connections.count()} connections for three hundred requests`)
    await billedExactly(t, twins, 'load')
  },
)

t.test('a client with few connections has them kept through answers, refusals and broken JSON', async (t) => {
  const twins = await twinsFor(t)
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  t.teardown(() => agent.destroy())
  const sockets = new Set<unknown>()

  const post = (body: string, headers: Readonly<Record<string, string>> = {}): Promise<number> =>
    new Promise((resolve, reject) => {
      const sent = request(`${twins.sidecar.url}/v1/chat/completions`, {
        method: 'POST',
        agent,
        headers: { authorization: 'any', ...tagged('few'), ...headers },
      })
      sent.once('socket', (socket) => sockets.add(socket))
      sent.once('error', reject)
      sent.once('response', (response) => {
        text(response).then(() => resolve(response.statusCode ?? 0), reject)
      })
      sent.end(body)
    })
  const statuses = await Promise.all(
    numbers.map((number) => {
      switch (number % 5) {
        case 0:
          return post(JSON.stringify(ask(number)))
        case 1:
          return post(JSON.stringify({ ...ask(number), stream: true }))
        case 2:
          return post('{"model": ')
        case 3:
          return post(JSON.stringify(ask(number)), { 'x-sim-fault': 'status-500' })
        default:
          return post(JSON.stringify({ ...ask(number), model: 'unknown' }))
      }
    }),
  )
  t.strictSame(
    statuses,
    numbers.map((number) => [200, 200, 400, 500, 403][number % 5]),
  )
  t.equal(sockets.size, 4, 'four connections carried a hundred requests')
})
