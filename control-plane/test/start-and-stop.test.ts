import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { askApi, controlPlaneFor, type TestControlPlane } from '../../test/support/control-plane.ts'
import { inCheckout } from '../../test/support/paths.ts'
import { RawConnection, request } from '../../test/support/raw-http.ts'
import { folderFor } from '../../test/support/scope.ts'
import { until } from '../../test/support/until.ts'
import { createAuthService } from '../auth/service.ts'
import { clusterFor, databaseFor } from './support/database.ts'

const isGood = async (plane: TestControlPlane, key: string): Promise<boolean> =>
  (await askApi(`${plane.url}/api/v1/usage/summary`, key)).status === 200

t.test(
  'a control plane that is killed before it has printed its admin key prints a good one at the next start',
  async (t) => {
    const dataDir = folderFor(t)
    const nodeArgs = ['--import', inCheckout('test/preload/crash-at-key.ts')]
    await t.rejects(controlPlaneFor(t, { dataDir, nodeArgs }), /ended with null/)
    const plane = await controlPlaneFor(t, { dataDir })
    t.ok(await isGood(plane, plane.adminKey ?? ''))
    await plane.stop()
    t.equal((await controlPlaneFor(t, { dataDir })).adminKey, null, 'and none after that')
  },
)

t.test(
  'of replicas that start at once one shows the key; one that did not come to that leaves it to the next',
  async (t) => {
    const newDatabase = await clusterFor(t)
    const { database, owner } = await databaseFor(t, await newDatabase())
    const auth = createAuthService({ database, clock: { nowMs: () => Date.now() }, newId: randomUUID, policyKeys: [] })
    const fails = auth.firstStart(() => {
      throw new Error('no room to print it')
    })
    await t.rejects(fails, /no room/)
    const shown: string[] = []
    await Promise.all([1, 2, 3].map(() => auth.firstStart((key) => shown.push(key))))
    t.equal(shown.length, 1)
    t.match(await auth.identify(shown[0] ?? ''), { kind: 'admin' })
    const [row] = await owner`SELECT count(*)::int AS count FROM acc.organisations`
    t.equal(row?.count, 1)
  },
)

t.test('the file of the admin key holds a good one after each start, for its owner alone', async (t) => {
  const file = join(folderFor(t), 'secrets', 'admin-key')
  const env = { CONTROL_PLANE_ADMIN_KEY_FILE: file }
  const plane = await controlPlaneFor(t, { env })
  const { dataDir, adminKey } = plane
  const stands = () => readFileSync(file, 'utf8').trim()
  t.equal(stands(), adminKey)
  t.equal(statSync(file).mode & 0o777, 0o600)
  await plane.stop()
  const again = await controlPlaneFor(t, { dataDir, env })
  t.equal(stands(), adminKey, 'a good one is kept')
  await again.stop()
  writeFileSync(file, 'lost\n')
  const mended = await controlPlaneFor(t, { dataDir, env })
  t.equal(mended.adminKey, null, 'it is not printed')
  t.not(stands(), adminKey)
  t.ok(await isGood(mended, stands()))
  t.ok(await isGood(mended, adminKey ?? ''), 'the other one is good as before')
})

t.test('one signal lets running requests finish, a second one breaks them off at once', async (t) => {
  const plane = await controlPlaneFor(t, { env: { CONTROL_PLANE_DRAIN_TIMEOUT_MS: '60000' } })
  const { token } = (await askApi<{ token: string }>(`${plane.url}/api/v1/enrolment-tokens`, plane.adminKey, '')).body
  const body = JSON.stringify({ instanceId: randomUUID() })
  /** A request that is under way: its headers were read, and its body is yet to come. */
  const begun = async () => {
    const connection = await RawConnection.open(t, Number(new URL(plane.url).port))
    const head = ['content-type: application/json', `content-length: ${body.length}`, 'expect: 100-continue']
    connection.send(request('POST /sidecar/v1/enrol', [...head, `authorization: Bearer ${token}`]))
    await once(connection.socket, 'data')
    return connection
  }
  const [first, second] = [await begun(), await begun()]
  process.kill(plane.pid, 'SIGTERM')
  await until('the stop begins', () => plane.log.find(({ message }) => message === 'control plane stops') ?? null)
  first.send(body)
  t.match((await first.answer()).start, / 200 /, 'the one that goes on is answered')
  const from = performance.now()
  process.kill(plane.pid, 'SIGINT')
  t.equal((await second.answer()).complete, false, 'the other one is not')
  t.equal(await plane.stop(), 0)
  t.ok(performance.now() - from < 20_000, 'long before the time for the drain is over')
  t.ok(plane.log.some(({ message }) => String(message).startsWith('a second signal')))
})
