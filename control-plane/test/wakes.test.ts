import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { until } from '../../test/support/until.ts'
import { startCluster } from '../db/cluster.ts'
import { createWakes, type WakeTopic } from '../db/wakes.ts'
import { ask, databaseFor, QUIET } from './support/database.ts'

const cluster = await startCluster({
  folder: folderFor(t),
  port: 0,
  settings: ['fsync=off', 'shared_buffers=16MB'],
  log: QUIET,
})
t.teardown(() => cluster.stop())
const { database } = await databaseFor(t, cluster.url)

/** What one replica hears. */
function replica(t: Test, beatMs?: number) {
  const heard: string[] = []
  const wakes = createWakes({ url: cluster.url, log: QUIET, ...(beatMs === undefined ? {} : { beatMs }) })
  t.teardown(() => wakes.close())
  const end = wakes.subscribe((topic, orgId) => heard.push(`${topic} ${orgId ?? 'perhaps'}`))
  const announce = (topic: WakeTopic, orgId: string) =>
    database.inOrg(orgId, (tx) => wakes.announce(tx, topic, orgId)).catch(() => 'failed')
  const hears = (what: string, timeoutMs?: number) => until(what, () => (heard.includes(what) ? true : null), timeoutMs)
  /** It listens: it has heard of something that was announced. */
  const listens = async () => {
    const orgId = randomUUID()
    await until('an announcement heard', async () => {
      await announce('leases', orgId)
      return heard.includes(`leases ${orgId}`) ? true : null
    })
    heard.length = 0
  }
  return { wakes, heard, end, announce, hears, listens }
}

t.test('every replica hears of a change that is committed, with its organisation, and of no other', async (t) => {
  const [one, two] = [replica(t), replica(t)]
  await Promise.all([one.listens(), two.listens()])
  const [first, second, undone] = [randomUUID(), randomUUID(), randomUUID()]
  await t.rejects(
    database.inOrg(undone, async (tx) => {
      await one.wakes.announce(tx, 'policy', undone)
      throw new Error('undone')
    }),
    /undone/,
  )
  await one.announce('policy', first)
  await two.announce('leases', second)
  for (const { hears } of [one, two]) {
    await hears(`policy ${first}`)
    await hears(`leases ${second}`)
  }
  for (const { heard } of [one, two]) t.notOk(heard.some((what) => what.includes(undone)))
})

t.test('what was committed before it listened is "perhaps"', async (t) => {
  const { hears } = replica(t, 60_000)
  await hears('policy perhaps')
  await hears('leases perhaps')
})

t.test(
  'one that no longer wants to hear is told of nothing, and one that fails keeps nothing from the others',
  async (t) => {
    const { wakes, heard, end, announce, listens } = replica(t)
    const others: string[] = []
    wakes.subscribe(() => {
      throw new Error('a listener that fails')
    })
    wakes.subscribe((_, orgId) => others.push(orgId ?? 'perhaps'))
    await listens()
    end()
    heard.length = 0
    const orgId = randomUUID()
    await announce('policy', orgId)
    await until('the other one heard', () => (others.includes(orgId) ? true : null))
    t.same(heard, [])
  },
)

t.test('a notification that is none of ours is passed over', async (t) => {
  const { listens, heard, hears, announce } = replica(t)
  await listens()
  const orgId = randomUUID()
  for (const payload of ['', 'nonsense', `skills ${orgId}`, `policy ${orgId} more`, 'policy'])
    await ask(cluster.url, `NOTIFY acc_wakes, '${payload}'`)
  await announce('policy', orgId)
  await hears(`policy ${orgId}`)
  t.same(
    heard.filter((what) => what.includes(orgId)),
    [`policy ${orgId}`],
  )
})

t.test('PostgreSQL is killed and comes back: "perhaps" meanwhile, and announcements again by itself', async (t) => {
  const [one, two] = [replica(t, 100), replica(t, 100)]
  await Promise.all([one.listens(), two.listens()])
  process.kill(cluster.pid, 'SIGKILL')
  for (const { hears } of [one, two]) await hears('policy perhaps')
  await Promise.all([one.listens(), two.listens()])
  const orgId = randomUUID()
  await one.announce('policy', orgId)
  await two.hears(`policy ${orgId}`)
  await until('nothing is said without a reason any more', async () => {
    const before = two.heard.length
    const next = randomUUID()
    await one.announce('policy', next)
    await two.hears(`policy ${next}`)
    return two.heard.length === before + 1 ? true : null
  })
})

t.test('a connection that is cut hears of what was announced meanwhile', async (t) => {
  const { listens, hears, heard } = replica(t, 100)
  await listens()
  await ask(
    cluster.url,
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT 1' OR query LIKE 'LISTEN%'",
  )
  await hears('policy perhaps')
  heard.length = 0
  await listens()
})

t.test('a connection that has gone silent is not trusted, and soon replaced', async (t) => {
  const { listens, hears, heard } = replica(t, 100)
  await listens()
  const backends = await ask(
    cluster.url,
    "SELECT pid FROM pg_stat_activity WHERE query = 'SELECT 1' OR query LIKE 'LISTEN%'",
  )
  for (const { pid } of backends) {
    process.kill(Number(pid), 'SIGSTOP')
    t.teardown(() => process.kill(Number(pid), 'SIGCONT'))
  }
  t.ok(backends.length > 0)
  await hears('policy perhaps')
  heard.length = 0
  await listens()
})

t.test('closing ends in time, also while the database is away', async (t) => {
  const { wakes, listens } = replica(t, 100)
  await listens()
  const startedMs = performance.now()
  await wakes.close()
  const away = createWakes({ url: 'postgres://nobody:x@127.0.0.1:1/none', log: QUIET, beatMs: 10 })
  const heard: (string | null)[] = []
  away.subscribe((_, orgId) => heard.push(orgId))
  await until('"perhaps" without a database', () => (heard.length > 4 ? true : null))
  await away.close()
  t.ok(performance.now() - startedMs < 30_000)
})
