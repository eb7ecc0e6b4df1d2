import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { askApi, askApiOnce, controlPlaneFor, type TestControlPlane } from '../../test/support/control-plane.ts'
import { absentRedisFor, redisFor, type TestRedis } from '../../test/support/redis.ts'
import { until } from '../../test/support/until.ts'
import { shareWakes } from '../db/shared-wakes.ts'
import { createWakes, type Wakes } from '../db/wakes.ts'
import { createRateLimit, shareRateLimit } from '../rate-limit.ts'
import { createRedisLink } from '../redis.ts'
import { clusterFor, databaseFor, QUIET } from './support/database.ts'

const RATE = { perSecond: 0.01, burst: 20 }
/** Whoever waits for a Redis that hangs does so for ever; a busy machine lets nobody wait for so long. */
const SOON_MS = 20_000

/** A replica's link, gone with the test. */
function linkOf(t: Test, { url }: TestRedis) {
  const link = createRedisLink({ url, log: QUIET })
  t.teardown(() => link.close())
  const connected = () => until('Redis answers', () => (link.stats().connected ? true : null))
  /** A limit of this replica; its own clock stands still. */
  const limit = (name: string) =>
    shareRateLimit(name, createRateLimit({ clock: { nowMs: () => 0 }, ...RATE }), RATE, link)
  return { link, connected, limit }
}

t.test('replicas let no more through together than one would, and each caller has its own', async (t) => {
  const redis = await redisFor(t)
  const replicas = [linkOf(t, redis), linkOf(t, redis)]
  for (const { connected } of replicas) await connected()
  const failures = () => replicas.reduce((sum, { link }) => sum + link.stats().failures, 0)
  // On a machine that is busy an answer may come too late, which is no answer.
  await until('a round in which every answer came in time', async () => {
    const before = failures()
    const limits = replicas.map(({ limit }) => limit(randomUUID()))
    const shared = replicas.map(({ limit }) => limit('shared'))
    const name = randomUUID()
    const own = await Promise.all(limits.map((limit) => limit.take('a')))
    const waits: number[] = []
    for (let at = 0; at < 2 * RATE.burst; at++) waits.push((await shared[at % 2]?.take(name)) ?? 0)
    if (failures() > before) return null
    t.same(own, [0, 0])
    t.equal(waits.filter((ms) => ms === 0).length, RATE.burst)
    const wait = waits.at(-1) ?? 0
    t.ok(wait > 90_000 && wait <= 100_000, `it tells how long to wait: ${wait}`)
    return true
  })
})

for (const [what, break_] of [
  ['killed', (redis: TestRedis) => redis.kill()],
  ['hanging', async (redis: TestRedis) => redis.hang()],
] as const) {
  t.test(
    `while Redis is ${what} nobody waits for it and each replica’s own limit holds; then it is used again`,
    async (t) => {
      const redis = await redisFor(t)
      const { link, connected, limit } = linkOf(t, redis)
      await connected()
      const limited = limit('limited')
      t.equal(await limited.take('a'), 0)
      await break_(redis)
      const waits: number[] = []
      let longestMs = 0
      const before = link.stats().failures
      const fromMs = performance.now()
      for (let at = 0; at < 2 * RATE.burst; at++) {
        const asked = performance.now()
        waits.push(await limited.take('a'))
        longestMs = Math.max(longestMs, performance.now() - asked)
      }
      const seconds = (performance.now() - fromMs) / 1_000
      t.equal(waits.filter((ms) => ms === 0).length, RATE.burst - 1)
      t.ok(longestMs < SOON_MS, `the longest took ${longestMs} ms`)
      t.ok(link.stats().failures - before <= seconds + 2, 'one in a second is kept waiting, and nobody else')
      if (what === 'killed') await redis.again()
      else redis.resume()
      const other = limit('other')
      await until('it counts again', async () => {
        const before = link.stats().failures
        await other.take(randomUUID())
        return (await link.ask((client) => client.dbsize())) !== null && link.stats().failures === before ? true : null
      })
    },
  )
}

t.test(
  'a wake is published when its transaction is committed and not before, and not at all without that',
  async (t) => {
    const redis = await redisFor(t)
    const newDatabase = await clusterFor(t)
    const { database, url } = await databaseFor(t, await newDatabase())
    const own = createWakes({ url, log: QUIET })
    t.teardown(() => own.close())
    /** It hears by Redis alone. */
    const deaf: Wakes = { announce: async () => {}, subscribe: () => () => {}, close: async () => {} }
    const [teller, hearer] = [linkOf(t, redis), linkOf(t, redis)]
    for (const { connected } of [teller, hearer]) await connected()
    const telling = shareWakes(own, teller.link)
    const hearing = shareWakes(deaf, hearer.link)
    const heard: (readonly [string, string | null])[] = []
    const seen: Promise<number>[] = []
    const end = hearing.subscribe((topic, orgId) => {
      heard.push([topic, orgId])
      seen.push(database.inOrg(orgId ?? '', async (tx) => (await tx`SELECT FROM organisations`).count))
    })
    const change = (orgId: string, fail = false) =>
      database.inOrg(orgId, async (tx) => {
        await tx`INSERT INTO organisations (org_id, name) VALUES (${orgId}, 'test')`
        await telling.announce(tx, 'policy', orgId)
        if (fail) throw new Error('undone')
      })
    await until('a wake heard', async () => {
      await change(randomUUID())
      return heard.length > 0 ? true : null
    })
    heard.length = 0
    const [undone, orgId] = [randomUUID(), randomUUID()]
    await t.rejects(change(undone, true), /undone/)
    await change(orgId)
    await until('the wake', () => (heard.some(([, id]) => id === orgId) ? true : null))
    t.ok(
      (await Promise.all(seen)).every((count) => count === 1),
      'what was changed is there when it is heard of',
    )
    t.notOk(heard.some(([, id]) => id === undone))
    for (const text of ['nonsense', 'prices x', '']) teller.link.publish(text)
    end()

    redis.hang()
    const lastly: string[] = []
    telling.subscribe((topic, id) => lastly.push(`${topic} ${id}`))
    const late = randomUUID()
    const from = performance.now()
    await change(late)
    t.ok(performance.now() - from < SOON_MS, 'announcing waits for nobody')
    await until('it is heard of by the database', () => (lastly.includes(`policy ${late}`) ? true : null))
    redis.resume()
  },
)

/** Requests that are answered, all soon. */
async function isServed(t: Test, plane: TestControlPlane, what: string): Promise<void> {
  for (let at = 0; at < 10; at++) {
    const from = performance.now()
    const { status } = await askApi(`${plane.url}/api/v1/usage/summary`, plane.adminKey)
    t.equal(status, 200, what)
    t.ok(performance.now() - from < SOON_MS, what)
  }
}

const connected = async (plane: TestControlPlane): Promise<boolean> =>
  /^acc_redis_connected 1$/m.test(await (await fetch(`${plane.adminUrl}/metrics`)).text())

t.test(
  'a control plane starts without its Redis, finds it, serves while it hangs or is killed, finds it again empty, and ends',
  async (t) => {
    const redis = await absentRedisFor(t)
    const plane = await controlPlaneFor(t, { env: { REDIS_URL: redis.url } })
    await isServed(t, plane, 'absent')
    t.notOk(await connected(plane))
    await redis.again()
    const found = (what: string) => until(what, async () => ((await connected(plane)) ? true : null))
    await found('found')
    await isServed(t, plane, 'there')
    redis.hang()
    await isServed(t, plane, 'hanging')
    redis.resume()
    await redis.kill()
    await isServed(t, plane, 'killed')
    await until('its own limit holds', async () => {
      const guesses = Array.from({ length: 60 }, () => askApiOnce(`${plane.url}/api/v1/requests`, 'guess'))
      return (await Promise.all(guesses)).find(({ status }) => status === 429) ?? null
    })
    await redis.again()
    await found('found again')
    redis.hang()
    t.equal(await plane.stop(), 0)
    t.notMatch(plane.complaint(), /./)
    t.match(
      plane.log.filter(({ message }) => String(message).startsWith('Redis')).map(({ level }) => level),
      ['warn', 'info', 'warn', 'info'],
      'each outage is told once',
    )
    redis.resume()
  },
)
