import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import type { ChannelAnswer } from '@agentcostcontrol/contract'
import t from 'tap'
import { type ApiAnswer, askApi, controlPlaneFor, enrol } from '../../test/support/control-plane.ts'
import { folderFor } from '../../test/support/scope.ts'
import { until } from '../../test/support/until.ts'
import { startCluster } from '../db/cluster.ts'
import type { Database } from '../db/database.ts'
import type { SidecarPage } from '../sidecars/service.ts'
import { databaseFor, QUIET } from './support/database.ts'
import { publishedPolicies, replicaFor, type TestReplica } from './support/replica.ts'

const cluster = await startCluster({
  folder: folderFor(t),
  port: 0,
  settings: ['fsync=off', 'shared_buffers=32MB'],
  log: QUIET,
})
t.teardown(() => cluster.stop())
const db = await databaseFor(t, cluster.url)

interface Asked {
  readonly policy?: number
  readonly leases?: number
  readonly commands?: number
  readonly refused?: unknown
  readonly waitMs?: number
}

const askOf = ({ policy = 0, leases = 0, commands = 0, refused = null, waitMs = 20_000 }: Asked) => ({
  versions: { policy, leases, commands },
  refused,
  waitMs,
})

/** A sidecar that polls. */
async function sidecarOf(replica: TestReplica, orgId: string, instanceId: string = randomUUID()) {
  const credential = await replica.credential(orgId, instanceId)
  return {
    instanceId,
    credential,
    poll: (asked: Asked = {}, at: TestReplica = replica): Promise<ApiAnswer<ChannelAnswer>> =>
      askApi<ChannelAnswer>(`${at.url}/sidecar/v1/channel`, credential, askOf(asked)),
  }
}

const generationIn = ({ body }: ApiAnswer<ChannelAnswer>): number | null =>
  body.policy === null ? null : JSON.parse(body.policy.manifest).generation

const held = (replica: TestReplica, polls: number): Promise<unknown> =>
  until(`${polls} polls are held`, () => (replica.channel.polls === polls ? true : null))

const NOTHING = { status: 200, body: { policy: null, leases: null, commands: null } }

t.test(
  'a poll is answered at once with what is newer, and with nothing new after the time that it waits',
  async (t) => {
    const policies = publishedPolicies()
    const replica = await replicaFor(t, db, policies)
    const { orgId } = await replica.organisation()
    const { poll } = await sidecarOf(replica, orgId)
    t.match(await poll({ waitMs: 0 }), NOTHING, 'nothing is published')
    const text = 'ünïcode '.repeat(250_000)
    policies.put(orgId, 7, text)
    const answer = await poll({ policy: 6 })
    t.equal(answer.headers.get('content-type'), 'application/json')
    t.equal(generationIn(answer), 7)
    t.equal(JSON.parse(answer.body.policy?.manifest ?? '').files[0].text, text, 'every byte of it')
    const startedMs = performance.now()
    for (const policy of [7, 8]) t.match(await poll({ policy, waitMs: 150 }), NOTHING, 'an older one is never told')
    t.ok(performance.now() - startedMs >= 300)
  },
)

t.test('what is published through one replica reaches a poll that another one holds, within two seconds', async (t) => {
  const policies = publishedPolicies()
  const [one, two] = [await replicaFor(t, db, policies), await replicaFor(t, db, policies)]
  const { orgId } = await one.organisation()
  const { poll } = await sidecarOf(one, orgId)
  const times: number[] = []
  for (let generation = 1; generation <= 5; generation++) {
    const asked = poll({ policy: generation - 1 }, generation % 2 === 0 ? one : two)
    await held(generation % 2 === 0 ? one : two, 1)
    const publishedMs = performance.now()
    await (generation % 2 === 0 ? two : one).publish(orgId, () => void policies.put(orgId, generation))
    t.equal(generationIn(await asked), generation)
    times.push(performance.now() - publishedMs)
  }
  // The machine is shared with other tests: the best of them is what it takes.
  t.ok(Math.min(...times) < 2_000, `${times.map(Math.round)} ms`)
})

t.test('a wake answers the polls of its organisation alone, and a bundle is read once for all of them', async (t) => {
  const policies = publishedPolicies()
  const replica = await replicaFor(t, db, policies)
  const [mine, other] = [await replica.organisation(), await replica.organisation()]
  const sidecars = await Promise.all(Array.from({ length: 40 }, () => sidecarOf(replica, mine.orgId)))
  const stranger = await sidecarOf(replica, other.orgId)
  const asked = sidecars.map(({ poll }) => poll())
  const strangers = stranger.poll({ waitMs: 60_000 })
  await held(replica, 41)
  await replica.publish(mine.orgId, () => void policies.put(mine.orgId, 3, 'x'.repeat(2_000_000)))
  t.same([...new Set((await Promise.all(asked)).map(generationIn))], [3])
  t.equal(policies.reads(), 1)
  await held(replica, 1)
  await Promise.all(sidecars.map(({ poll }) => poll({ policy: 2, waitMs: 0 })))
  t.equal(policies.reads(), 1, 'nor again for those that come later')
  await replica.publish(other.orgId, () => void policies.put(other.orgId, 4))
  t.equal(generationIn(await strangers), 4)
})

t.test('what a sidecar refused is not sent to it again, and the next one is', async (t) => {
  const policies = publishedPolicies()
  const replica = await replicaFor(t, db, policies)
  const { orgId } = await replica.organisation()
  const { poll } = await sidecarOf(replica, orgId)
  policies.put(orgId, 5)
  const problems = [{ file: 'a.yaml', line: 1, path: 'spec', message: 'no' }]
  const asked = poll({ policy: 4, refused: { generation: 5, problems } })
  await held(replica, 1)
  await replica.publish(orgId, () => void policies.put(orgId, 6))
  t.equal(generationIn(await asked), 6)
})

t.test('recalls of leases come the same way, to the sidecar that they are for', async (t) => {
  const recalls = new Map<string, { readonly version: number; readonly recalls: [] }>()
  const replica = await replicaFor(t, db, publishedPolicies(), {
    recallsSince: async (_, instanceId, version) => {
      const known = recalls.get(instanceId)
      return known !== undefined && known.version > version ? known : null
    },
  })
  const { orgId } = await replica.organisation()
  const [meant, other] = [await sidecarOf(replica, orgId), await sidecarOf(replica, orgId)]
  const asked = meant.poll({ leases: 3 })
  const others = other.poll({ leases: 3, waitMs: 2_000 })
  await held(replica, 2)
  await db.database.inOrg(orgId, async (tx) => {
    recalls.set(meant.instanceId, { version: 4, recalls: [] })
    await replica.wakes.announce(tx, 'leases', orgId)
  })
  t.match(await asked, { body: { policy: null, leases: { version: 4, recalls: [] } } })
  t.match(await others, NOTHING)
  t.match(await meant.poll({ leases: 4, waitMs: 0 }), NOTHING)
})

t.test('a second poll of a sidecar ends its first, and a poll whose sidecar leaves is forgotten at once', async (t) => {
  const replica = await replicaFor(t, db, publishedPolicies())
  const { orgId } = await replica.organisation()
  const { poll, credential } = await sidecarOf(replica, orgId)
  const first = poll({ policy: 1 })
  await held(replica, 1)
  const second = poll({ policy: 2 })
  t.match(await first, NOTHING)
  t.equal(replica.channel.polls, 1)
  const leaves = new AbortController()
  const third = fetch(`${replica.url}/sidecar/v1/channel`, {
    method: 'POST',
    headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
    body: JSON.stringify(askOf({ policy: 3 })),
    signal: leaves.signal,
  })
  t.match(await second, NOTHING)
  leaves.abort()
  await t.rejects(third)
  await held(replica, 0)
  t.match(await replica.metrics.text(), /^acc_channel_polls 0$/m)
})

t.test('a replica that stops answers its polls at once and tells them to go elsewhere', async (t) => {
  const replica = await replicaFor(t, db, publishedPolicies())
  const { orgId } = await replica.organisation()
  const sidecars = await Promise.all([1, 2, 3].map(() => sidecarOf(replica, orgId)))
  const asked = sidecars.map(({ poll }) => poll({ waitMs: 60_000 }))
  await held(replica, 3)
  const startedMs = performance.now()
  replica.channel.close()
  for (const answer of await Promise.all(asked)) {
    t.match(answer, NOTHING)
    t.equal(answer.headers.get('connection'), 'close')
  }
  t.match(await sidecars[0]?.poll(), { status: 503, body: { code: 'acc_api_unavailable' } })
  await replica.app.close()
  t.ok(performance.now() - startedMs < 40_000, 'before the time that they wait is over')
})

t.test('a control plane with polls stops in order within seconds', async (t) => {
  const plane = await controlPlaneFor(t)
  const credential = await enrol(plane.url, plane.adminKey ?? '', randomUUID())
  // It waits for something newer than what the folder holds.
  const ask = askOf({ policy: Number.MAX_SAFE_INTEGER, waitMs: 60_000 })
  const asked = askApi<ChannelAnswer>(`${plane.url}/sidecar/v1/channel`, credential, ask).catch(() => 'cut off')
  await until('the poll is held', async () =>
    /^acc_channel_polls 1$/m.test(await (await fetch(`${plane.adminUrl}/metrics`)).text()) ? true : null,
  )
  const startedMs = performance.now()
  t.equal(await plane.stop(), 0)
  t.ok(performance.now() - startedMs < 40_000, 'before the time that it waits is over')
  t.match(await asked, NOTHING)
})

t.test('a connection that waits as long as it may is not taken for dead, and one that has no poll is', async (t) => {
  const replica = await replicaFor(t, db, publishedPolicies())
  const { orgId } = await replica.organisation()
  const sockets: Socket[] = []
  replica.app.server.on('connection', (socket: Socket) => sockets.push(socket))
  const { poll } = await sidecarOf(replica, orgId)
  const asked = poll({ waitMs: 60_000 })
  await held(replica, 1)
  t.ok(sockets.some(({ timeout }) => timeout !== undefined && timeout > 60_000))
  poll({ waitMs: 0 }).catch(() => {})
  t.match(await asked, NOTHING)
  await until('no socket waits so long', () =>
    sockets.every(({ timeout, destroyed }) => destroyed || (timeout ?? 0) <= 60_000) ? true : null,
  )
})

t.test('while the database is away a poll is told so; one that is held hears of what is published after', async (t) => {
  const policies = publishedPolicies()
  const replica = await replicaFor(t, db, policies)
  const { orgId } = await replica.organisation()
  const [waits, comes] = [await sidecarOf(replica, orgId), await sidecarOf(replica, orgId)]
  const asked = waits.poll({ waitMs: 60_000 })
  await held(replica, 1)
  // It is looked for behind what the other waits for: that is held for good now, and not still being looked for.
  await comes.poll({ waitMs: 0 })
  const reads = policies.generation
  policies.generation = async () => {
    throw Object.assign(new Error('gone'), { code: 'ECONNREFUSED' })
  }
  process.kill(cluster.pid, 'SIGKILL')
  t.match(await comes.poll({ waitMs: 100 }), { status: 503, body: { code: 'acc_api_unavailable' } })
  t.equal(replica.channel.polls, 1, 'the one that waits goes on')
  policies.generation = reads
  // Without a word from any replica: "perhaps" is enough.
  policies.put(orgId, 9)
  t.equal(generationIn(await asked), 9)
  await until('the database is back', () => db.owner`SELECT 1`.catch(() => null))
})

t.test('what sidecars run and refuse is shown with its state, by page and by state', async (t) => {
  const policies = publishedPolicies()
  const replica = await replicaFor(t, db, policies)
  const { orgId, adminKey } = await replica.organisation()
  const page = async (query = '') =>
    (await askApi<SidecarPage>(`${replica.url}/api/v1/sidecars${query}`, adminKey)).body
  t.match(await page(), { generation: 0, counts: { SYNCED: 0, STALE: 0, NACKED: 0 }, sidecars: [], nextCursor: null })
  policies.put(orgId, 5)
  const problems = [{ file: 'a.yaml', line: 3, path: 'spec.\u0000', message: 'it is "so" {\\} \ud800 \n, null' }]
  const says: readonly Asked[] = [
    { policy: 5 },
    { policy: 5 },
    { policy: 3 },
    { policy: 3, refused: { generation: 5, problems } },
    { policy: 5, refused: { generation: 4, problems } },
  ]
  const sidecars = await Promise.all(says.map(() => sidecarOf(replica, orgId)))
  const polls = sidecars.map(({ poll }, at) => poll({ ...says[at], waitMs: 0 }))
  await Promise.all(polls)
  const all = await until('all are shown', async () => {
    const shown = await page()
    return shown.sidecars.length === says.length ? shown : null
  })
  t.match(all, { generation: 5, counts: { SYNCED: 3, STALE: 1, NACKED: 1 }, nextCursor: null })
  const stateOf = (at: number) => all.sidecars.find(({ instanceId }) => instanceId === sidecars[at]?.instanceId)
  t.match(stateOf(0), { state: 'SYNCED', generation: 5, revision: 'revision of 5', problems: [] })
  t.match(stateOf(2), { state: 'STALE', generation: 3, revision: null })
  t.match(stateOf(3), { state: 'NACKED', generation: 3, refusedGeneration: 5, problems })
  t.match(stateOf(4), { state: 'SYNCED', refusedGeneration: 4 })
  t.ok(Math.abs(Date.now() - Date.parse(stateOf(0)?.lastHeardAt ?? '')) < 60_000)

  await db.owner`
    UPDATE sidecars SET last_heard_at = now() - interval '2 minutes' WHERE instance_id = ${sidecars[1]?.instanceId ?? ''}`
  t.match(await page(), { counts: { SYNCED: 2, STALE: 2, NACKED: 1 } }, 'one that is silent is stale')
  t.same(
    (await page('?state=NACKED')).sidecars.map(({ instanceId }) => instanceId),
    [sidecars[3]?.instanceId],
  )
  const walked: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const shown: SidecarPage = await page(`?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`)
    walked.push(...shown.sidecars.map(({ instanceId }) => instanceId))
    cursor = shown.nextCursor
  }
  t.same(walked, sidecars.map(({ instanceId }) => instanceId).sort())
  for (const query of ['?cursor=x', '?state=FINE', '?limit=0', '?more=1'])
    t.match(await askApi(`${replica.url}/api/v1/sidecars${query}`, adminKey), { status: 400 }, query)
  const other = await replica.organisation()
  t.match((await askApi<SidecarPage>(`${replica.url}/api/v1/sidecars`, other.adminKey)).body, { sidecars: [] })
})

t.test(
  'a sidecar that says the same again costs no write, one that says something new is written in a moment',
  async (t) => {
    let writes = 0
    const counted: Database = {
      ...db.database,
      inOrg: (orgId, work) => {
        writes++
        return db.database.inOrg(orgId, work)
      },
    }
    const policies = publishedPolicies()
    const replica = await replicaFor(t, db, policies, { counted })
    const { orgId, adminKey } = await replica.organisation()
    const sidecars = await Promise.all(Array.from({ length: 50 }, () => sidecarOf(replica, orgId)))
    const shown = async (generation: number): Promise<void> => {
      await until(`all run ${generation}`, async () => {
        const { body } = await askApi<SidecarPage>(`${replica.url}/api/v1/sidecars`, adminKey)
        return body.sidecars.filter((each) => each.generation === generation).length === 50 ? true : null
      })
    }
    policies.put(orgId, 1)
    await Promise.all(sidecars.map(({ poll }) => poll({ policy: 1, waitMs: 0 })))
    await shown(1)
    const first = writes
    t.ok(first <= 10, `${first} transactions for 50 sidecars`)
    // Each round takes longer than what is new is gathered.
    for (let round = 0; round < 10; round++)
      await Promise.all(sidecars.map(({ poll }) => poll({ policy: 1, waitMs: 150 })))
    t.ok(writes - first <= 3, `${writes - first} transactions for 500 polls`)
    await Promise.all(sidecars.map(({ poll }) => poll({ policy: 2, waitMs: 0 })))
    await shown(2)
  },
)

t.test('a sidecar that was not heard of for a week is forgotten', async (t) => {
  const policies = publishedPolicies()
  const replica = await replicaFor(t, db, policies)
  const { orgId, adminKey } = await replica.organisation()
  const old = randomUUID()
  await db.owner`
    INSERT INTO sidecars (org_id, instance_id, generation, last_heard_at)
    VALUES (${orgId}, ${old}, 1, now() - interval '8 days')`
  const { poll, instanceId } = await sidecarOf(replica, orgId)
  await poll({ waitMs: 0 })
  const shown = await until('the new one is shown', async () => {
    const { body } = await askApi<SidecarPage>(`${replica.url}/api/v1/sidecars`, adminKey)
    return body.sidecars.some((each) => each.instanceId === instanceId) ? body : null
  })
  t.same(
    shown.sidecars.map((each) => each.instanceId),
    [instanceId],
  )
})

t.test('what is no poll, and whoever is no sidecar, is refused', async (t) => {
  const replica = await replicaFor(t, db, publishedPolicies())
  const { orgId, adminKey } = await replica.organisation()
  const { credential } = await sidecarOf(replica, orgId)
  const ask = (key: string, body: unknown) => askApi(`${replica.url}/sidecar/v1/channel`, key, body)
  const many = Array.from({ length: 21 }, () => ({ file: 'a', line: 1, path: '', message: '' }))
  const bad: readonly unknown[] = [
    '{',
    {},
    askOf({ waitMs: 60_001 }),
    askOf({ waitMs: -1 }),
    askOf({ policy: -1 }),
    askOf({ policy: 1.5 }),
    askOf({ refused: { generation: 1, problems: [] } }),
    askOf({ refused: { generation: 1, problems: many } }),
    { ...askOf({}), more: 1 },
  ]
  for (const body of bad) t.match(await ask(credential, body), { status: 400 }, JSON.stringify(body).slice(0, 60))
  t.match(await ask(adminKey, askOf({})), { status: 403 })
  t.match(await ask(credential.replace(/.$/, '!'), askOf({})), { status: 401 })
  t.equal(replica.channel.polls, 0)
})
