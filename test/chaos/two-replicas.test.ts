import { join } from 'node:path'
import { parseUsd } from '@agentcostcontrol/contract'
import t from 'tap'
import { openDatabase } from '../../control-plane/db/database.ts'
import { ask, clusterFor } from '../../control-plane/test/support/database.ts'
import { type Verdict, verify } from '../../control-plane/usage/verify.ts'
import { controlPlaneFor, type TestControlPlane } from '../support/control-plane.ts'
import { checkWhole, goneOn, memberFor, standDown } from '../support/fleet.ts'
import { folderFor } from '../support/scope.ts'
import { budgetYaml, writePolicies } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'

/** So little that it is spent before the end. */
const LIMIT = '0.30'
const MORE = 50

/** What `acc verify` says, of a database that is not a control plane's own. */
async function verified(databaseUrl: string): Promise<Verdict> {
  const [row] = await ask(databaseUrl, 'SELECT org_id FROM acc.installation')
  const database = openDatabase(databaseUrl, 1)
  try {
    return await verify(database, String(row?.org_id))
  } finally {
    await database.close()
  }
}

t.test('two replicas under load, each killed in turn: no deadlock, no row doubled or lost, one limit', async (t) => {
  const simulator = await simulatorFor(t, { recordRequests: false })
  const newDatabase = await clusterFor(t)
  const databaseUrl = await newDatabase()
  const policyDir = folderFor(t)
  writePolicies(policyDir, {
    'shared.yaml': budgetYaml({ name: 'shared', limit: LIMIT }),
    'each.yaml': budgetYaml({ name: 'each', limit: '0.50', agent: '*' }),
  })
  const tokenFile = join(folderFor(t), 'token')
  const start = (listen = '127.0.0.1:0'): Promise<TestControlPlane> =>
    controlPlaneFor(t, {
      policyDir,
      env: {
        DATABASE_URL: databaseUrl,
        CONTROL_PLANE_ENROLMENT_TOKEN_FILE: tokenFile,
        CONTROL_PLANE_LISTEN: listen,
      },
    })
  const replicas = await Promise.all([start(), start()])
  const everOne: TestControlPlane[] = [...replicas]
  const key = replicas.map(({ adminKey }) => adminKey).find((each) => each !== null) ?? ''
  const members = await Promise.all(
    [0, 1, 2, 3].map((at) =>
      memberFor(
        t,
        {
          upstream: `${simulator.url}/v1`,
          env: {
            ACC_CONTROL_PLANE_URL: replicas[at % 2 === 0 ? 0 : 1].url,
            ACC_CONTROL_PLANE_TOKEN_FILE: tokenFile,
          },
        },
        4,
      ),
    ),
  )
  await goneOn(members, MORE)
  for (const at of [0, 1, 0, 1] as const) {
    await replicas[at].kill()
    await goneOn(members, MORE / 2)
    replicas[at] = await start(new URL(replicas[at].url).host)
    everOne.push(replicas[at])
    await goneOn(members, MORE / 2)
  }
  await standDown(t, members)
  const counters = await checkWhole(t, {
    url: replicas[0].url,
    key,
    databaseUrl,
    dataDirs: members.map(({ dataDir }) => dataDir),
    simulator,
    limitNanoUsd: parseUsd(LIMIT),
  })
  const left = counters.find(({ budgetUid }) => budgetUid === 'Budget/shared')?.availableNanoUsd
  t.ok(Number(left) < Number(parseUsd(LIMIT)) / 100, `it was spent to the last request that fits: ${left} are left`)
  t.match(await verified(databaseUrl), { ok: true, ledger: { wrong: 0 } })
  t.match(await ask(databaseUrl, 'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()'), [
    { deadlocks: 0 },
  ])
  for (const { log, complaint } of everOne) {
    t.same(
      log.filter(({ level }) => level === 'error'),
      [],
    )
    t.equal(complaint(), '')
  }
})
