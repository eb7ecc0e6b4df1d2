import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { controlPlaneFor } from '../../test/support/control-plane.ts'
import { folderFor, type Scope } from '../../test/support/scope.ts'
import { until } from '../../test/support/until.ts'
import { runningClusterUrl, startCluster } from '../db/cluster.ts'
import { ask, QUIET } from './support/database.ts'

const SETTINGS = ['fsync=off', 'shared_buffers=16MB']

const folderOf = (scope: Scope) => {
  const folder = folderFor(scope)
  return { folder, port: 0, settings: SETTINGS, log: QUIET }
}

t.test(
  'what was written is there after a stop and a start, also below a folder that is closed to others',
  async (t) => {
    const options = folderOf(t)
    const first = await startCluster(options)
    t.equal(runningClusterUrl(options.folder), first.url, 'another program of the same user finds it')
    await ask(first.url, 'CREATE TABLE kept AS SELECT 1 AS one')
    await first.stop()
    t.equal(runningClusterUrl(options.folder), null)
    t.notOk(existsSync(join(options.folder, 'postgres', 'postmaster.pid')), 'it ended in order')
    const second = await startCluster(options)
    t.teardown(() => second.stop())
    t.same(await ask(second.url, 'SELECT one FROM kept'), [{ one: 1 }])
  },
)

t.test('a password is needed', async (t) => {
  const cluster = await startCluster(folderOf(t))
  t.teardown(() => cluster.stop())
  await t.rejects(ask(cluster.url.replace(/:[0-9a-f]{48}@/, ':guess@'), 'SELECT 1'), /password authentication failed/)
  const { pathname } = new URL(cluster.url)
  t.match(readFileSync(`/proc/${cluster.pid}/status`, 'utf8'), /^Uid:\t(?!0\t)/m, 'it does not run as root')
  t.equal(pathname, '/agentcostcontrol')
})

t.test('a postmaster that is killed is started again at the same place', async (t) => {
  const cluster = await startCluster(folderOf(t))
  t.teardown(() => cluster.stop())
  await ask(cluster.url, 'CREATE TABLE kept AS SELECT 1 AS one')
  const { pid } = cluster
  process.kill(pid, 'SIGKILL')
  const rows = await until('the table', () => ask(cluster.url, 'SELECT one FROM kept').catch(() => null))
  t.same(rows, [{ one: 1 }])
  t.not(cluster.pid, pid)
})

t.test('a start that was cut off in the middle is begun anew', async (t) => {
  const options = folderOf(t)
  const first = await startCluster(options)
  await first.stop()
  renameSync(join(options.folder, 'postgres'), join(options.folder, 'postgres.new'))
  rmSync(join(options.folder, 'postgres.new', 'global'), { recursive: true })
  const second = await startCluster(options)
  t.teardown(() => second.stop())
  t.equal((await ask(second.url, 'SELECT 1')).length, 1)
})

t.test('no PostgreSQL outlives a control plane that is killed, and the next one finds everything', async (t) => {
  const first = await controlPlaneFor(t)
  const pid = first.postgresPid()
  t.ok(pid !== null && existsSync(`/proc/${pid}`))
  await first.kill()
  await until('the end of PostgreSQL', () => (existsSync(`/proc/${pid}`) ? null : true))
  const second = await controlPlaneFor(t, { dataDir: first.dataDir })
  t.equal(second.adminKey, null, 'a first start is told of once')
  t.match(await ask(runningClusterUrl(first.dataDir) ?? '', 'SELECT count(*)::int AS count FROM acc.keys'), [
    { count: 1 },
  ])
  await t.rejects(controlPlaneFor(t, { dataDir: first.dataDir }), /another control plane is using the data folder/)
  t.equal(await second.stop(), 0)
  t.equal(second.complaint(), '')
})
