import { connect, createServer, type Socket } from 'node:net'
import t from 'tap'
import {
  askApi,
  clusterUrlOf,
  controlPlaneFor,
  enrol,
  sendEvents,
  type TestControlPlane,
} from '../../test/support/control-plane.ts'
import type { Scope } from '../../test/support/scope.ts'
import { until } from '../../test/support/until.ts'
import type { Sums } from '../usage/read-repository.ts'
import { ask, clusterFor } from './support/database.ts'
import { batchOf, INSTANCE, usageEvent } from './support/events.ts'

const BATCHES = 24
const EVENTS = 100

/** Brings batches up as a sidecar would: in order, each again until its answer has come. */
function upload(scope: Scope, credential: string, urlNow: () => string | null) {
  const batches = Array.from({ length: BATCHES }, (_, at) =>
    batchOf(
      Array.from({ length: EVENTS }, () => usageEvent()),
      at * EVENTS + 1,
    ),
  )
  let sent = 0
  let failures = 0
  let calledOff = false
  scope.teardown(() => {
    calledOff = true
  })
  const done = (async () => {
    for (const batch of batches) {
      while (!calledOff) {
        const url = urlNow()
        const answer = url === null ? null : await sendEvents(url, credential, batch).catch(() => null)
        if (answer?.status === 200 && answer.body.storedThrough === batch.events.at(-1)?.seq) break
        failures++
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      sent++
    }
  })()
  return { done, sent: () => sent, failures: () => failures }
}

const summary = async (plane: TestControlPlane, key: string): Promise<Sums> =>
  (await askApi<Sums>(`${plane.url}/api/v1/usage/summary`, key)).body

const ALL = { requests: BATCHES * EVENTS, costNanoUsd: `${BATCHES * EVENTS * 24_975}` }

t.test('kill -9 of the control plane, again and again while events come up: each is there once', async (t) => {
  let plane: TestControlPlane | null = await controlPlaneFor(t)
  const { dataDir, adminKey } = plane
  const key = adminKey ?? ''
  const load = upload(t, await enrol(plane.url, key, INSTANCE), () => plane?.url ?? null)
  for (let round = 1; round <= 2; round++) {
    await until('some more batches', () => (load.sent() >= round * 10 - 5 ? true : null))
    const killed = plane
    plane = null
    await killed?.kill()
    plane = await controlPlaneFor(t, { dataDir })
  }
  await load.done
  t.ok(load.failures() > 0, 'some batches were cut off')
  t.match(await summary(plane, key), ALL)
})

t.test(
  'kill -9 of PostgreSQL, again and again while events come up: each is there once, and nobody starts anything',
  async (t) => {
    const plane = await controlPlaneFor(t)
    const key = plane.adminKey ?? ''
    const load = upload(t, await enrol(plane.url, key, INSTANCE), () => plane.url)
    for (let round = 1; round <= 2; round++) {
      await until('some more batches', () => (load.sent() >= round * 10 - 5 ? true : null))
      process.kill(plane.postgresPid() ?? 0, 'SIGKILL')
      await until('another one', () =>
        plane.log.filter(({ message }) => String(message).includes('runs again')).length >= round ? true : null,
      )
    }
    await load.done
    t.match(await summary(plane, key), ALL)
    t.equal(plane.complaint(), '')
    t.equal(await plane.stop(), 0)
    t.equal(clusterUrlOf(plane), '', 'it ended with the control plane')
  },
)

t.test(
  'two replicas on one database start at once, take events in turn, and one is killed: each is there once',
  async (t) => {
    const newDatabase = await clusterFor(t)
    const env = { DATABASE_URL: await newDatabase() }
    const replicas = await Promise.all([controlPlaneFor(t, { env }), controlPlaneFor(t, { env })])
    const keys = replicas.flatMap(({ adminKey }) => (adminKey === null ? [] : [adminKey]))
    t.equal(keys.length, 1, 'one of them made the first start')
    const [key = ''] = keys
    const [first, second] = replicas
    const credential = await enrol(first.url, key, INSTANCE)
    let turn = 0
    const loads = [0, 1, 2].map(() => upload(t, credential, () => (turn++ % 2 === 0 ? first.url : second.url)))
    await until('some batches', () => (loads.every(({ sent }) => sent() >= 10) ? true : null))
    await first.kill()
    await Promise.all(loads.map(({ done }) => done))
    const [a, b] = [await summary(second, key), ALL]
    t.match(a, { requests: 3 * b.requests, costNanoUsd: `${3 * b.requests * 24_975}` })
    t.equal(second.log.filter(({ level }) => level === 'error').length, 0)
  },
)

t.test('connections to the database are cut, again and again while events come up: each is there once', async (t) => {
  const newDatabase = await clusterFor(t)
  const DATABASE_URL = await newDatabase()
  const plane = await controlPlaneFor(t, { env: { DATABASE_URL } })
  const key = plane.adminKey ?? ''
  const credential = await enrol(plane.url, key, INSTANCE)
  const loads = [0, 1, 2, 3].map(() => upload(t, credential, () => plane.url))
  let over = false
  const done = Promise.all(loads.map((load) => load.done)).finally(() => {
    over = true
  })
  for (let cut = 0; cut < 25 && !over; cut++) {
    await ask(
      DATABASE_URL,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'agentcostcontrol'",
    )
    const sent = loads[0]?.sent() ?? 0
    await until('another batch', () => (over || (loads[0]?.sent() ?? 0) > sent ? true : null))
  }
  await done
  t.ok(
    loads.some(({ failures }) => failures() > 0),
    'some batches were cut off',
  )
  t.match(await summary(plane, key), { requests: 4 * ALL.requests, costNanoUsd: `${4 * ALL.requests * 24_975}` })
  t.equal(plane.complaint(), '')
  t.equal(await plane.stop(), 0)
})

/** What PostgreSQL says when it ends a connection: an ErrorResponse. */
function terminated(): Buffer {
  const fields = ['SFATAL', 'VFATAL', 'C57P01', 'Mterminating connection due to administrator command', '']
  const body = Buffer.from(fields.map((field) => `${field}\0`).join(''))
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([Buffer.from('E'), length, body])
}

/** Passes everything on to a database, but ends connections while the driver asks by itself for types, if it is armed. */
async function cuttingProxy(scope: Scope, url: string) {
  const { port } = new URL(url)
  const sockets = new Set<Socket>()
  let left = 0
  const server = createServer((client) => {
    const database = connect(Number(port), '127.0.0.1')
    for (const socket of [client, database]) {
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => [client, database].forEach((each) => void each.destroy()))
    }
    database.pipe(client)
    client.on('data', (bytes) => {
      const asks = bytes.includes('pg_catalog.pg_type')
      if (!asks || left === 0) database.write(bytes)
      else {
        left--
        client.end(terminated())
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  scope.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return {
    url: url.replace(`:${port}/`, `:${address.port}/`),
    left: () => left,
    cut: (count: number) => {
      left = count
      for (const socket of sockets) socket.destroy()
    },
  }
}

t.test('connections to the database that end while they are made do not end the control plane', async (t) => {
  const newDatabase = await clusterFor(t)
  const proxy = await cuttingProxy(t, await newDatabase())
  const plane = await controlPlaneFor(t, { env: { DATABASE_URL: proxy.url } })
  proxy.cut(2)
  const key = plane.adminKey ?? ''
  await until('a request is served', async () => {
    const answer = await askApi(`${plane.url}/api/v1/usage/summary`, key)
    t.ok(answer.status === 200 || answer.status === 503)
    return answer.status === 200 && proxy.left() === 0 ? true : null
  })
  t.equal(await plane.stop(), 0)
})
