import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { ChannelAnswer } from '@agentcostcontrol/contract'
import { createThreatIntelDetector } from '@agentcostcontrol/detectors'
import t from 'tap'
import { askApi } from '../../test/support/control-plane.ts'
import { until } from '../../test/support/until.ts'
import { LISTS_MAX } from '../threat-intel/service.ts'
import { LIST_BYTES_MAX } from '../threat-intel/unpack.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { downloadIndex, type IntelPage, uploadList, urlhaus } from './support/intel.ts'
import { publishedPolicies, replicaFor, type TestReplica } from './support/replica.ts'

const newDatabase = await clusterFor(t)
const db = await databaseFor(t, await newDatabase())
const [one, two] = [await replicaFor(t, db, publishedPolicies()), await replicaFor(t, db, publishedPolicies())] as const
const PATH = '/security/threat-intel'

/** An organisation with its admin, and a sidecar that polls. */
async function begun() {
  const { orgId, adminKey } = await one.organisation()
  const credential = await one.credential(orgId, randomUUID())
  const ask = <Body = IntelPage>(path = '', body?: unknown, method?: string, at: TestReplica = one) =>
    askApi<Body>(`${at.url}/api/v1${PATH}${path}`, adminKey, body, method)
  return {
    orgId,
    adminKey,
    credential,
    ask,
    upload: (path: string, body: string | Uint8Array<ArrayBuffer>, headers = {}) =>
      uploadList(one.url, adminKey, path, body, headers),
    told: async (version: string | null | undefined, waitMs = 0, at: TestReplica = one) => {
      const versions = { policy: 0, leases: 0, commands: 0, threatIntel: version }
      const asked = { versions, refused: null, waitMs }
      return (await askApi<ChannelAnswer>(`${at.url}/sidecar/v1/channel`, credential, asked)).body.threatIntel ?? null
    },
    finds: async (version: string | null | undefined, text: string): Promise<readonly string[]> => {
      const { shared } = await downloadIndex(two, credential, version ?? '')
      return createThreatIntelDetector([shared])
        .detect(text, { source: 'user' })
        .map(({ ruleId }) => ruleId)
    },
  }
}

t.test(
  'a list that is uploaded is told to a poll of another replica, whose index holds it; deleting it takes it back',
  async (t) => {
    const { credential, ask, upload, told, finds } = await begun()
    const asked = told(null, 20_000, two)
    await until('it is held', () => (two.channel.polls === 1 ? true : null))
    const text = urlhaus('http://evil-files.test/a.exe', 'http://evil-files.test/b.exe')
    const made = await upload('haus/content?format=urlhaus', text, { 'content-type': 'text/csv' })
    t.match(made, {
      status: 200,
      body: { name: 'haus', format: 'urlhaus', kind: 'block', url: null, entries: 2, kinds: { url: 2 }, skipped: 0 },
    })
    t.match(made.body.createdBy, /^[0-9a-f-]{36}$/)
    t.ok((made.body.ageSeconds ?? -1) >= 0)
    const news = await asked
    t.match(news, { version: /^[0-9a-f]{64}$/, bytes: Number, builtAt: /^20/ })
    const index = await downloadIndex(two, credential, news?.version ?? '')
    t.equal(index.hash, news?.version)
    t.match(index.headers.get('cache-control'), /immutable/)
    t.equal(index.headers.get('etag'), `"${news?.version}"`)
    t.same(await finds(news?.version, 'see http://evil-files.test/a.exe'), ['url'])
    t.same(await told(news?.version), null, 'nobody is told what it has')
    t.same(await told(undefined), null, 'nor is one who wants none')
    t.match((await ask('', undefined, 'GET', two)).body, {
      lists: [{ name: 'haus' }],
      index: { version: news?.version, entries: 4, pending: false },
    })

    t.match(await ask('/haus', undefined, 'DELETE'), { status: 200, body: { name: 'haus' } })
    t.match(await told(news?.version), { version: null, bytes: 0 })
    t.match((await ask()).body, { lists: [], index: { version: null, entries: 0 } })
    t.match(await ask('/haus', undefined, 'DELETE'), { status: 404 })
    t.match(await ask('/haus'), { status: 404 })
  },
)

t.test('an upload that comes again changes nothing, whether it is packed or not', async (t) => {
  const { ask, upload, told } = await begun()
  const text = 'evil.example\n'
  const first = await upload('mine/content?format=plain', text)
  const news = await told(null)
  const again = await upload('mine/content', new Uint8Array(gzipSync(text)), { 'content-encoding': 'gzip' })
  t.match(again, { status: 200, body: { contentHash: first.body.contentHash, changedAt: first.body.changedAt } })
  t.same(await told(news?.version), null)
  t.match(await upload('mine/content', 'worse.example\n'), { status: 200, body: { entries: 1 } })
  t.match(await told(news?.version), { version: /./ })
  t.match((await ask()).body.lists, [{ name: 'mine', contentBytes: 14 }])
})

t.test('uploads whose connections close while their key is looked up take nobody’s place', async (t) => {
  const { adminKey, upload } = await begun()
  const connections = () =>
    new Promise<number>((resolve) => one.app.server.getConnections((_, count) => resolve(count)))
  const before = await connections()
  const head = `PUT /api/v1${PATH}/mine/content?format=plain HTTP/1.1\r\nhost: here\r\nauthorization: Bearer ${adminKey}\r\n`
  await db.owner.begin(async (tx) => {
    await tx`LOCK TABLE acc.keys`
    const sockets = Array.from({ length: 5 }, () => connect(Number(new URL(one.url).port), '127.0.0.1'))
    for (const socket of sockets) socket.write(`${head}content-length: 12\r\n\r\n`)
    await until('their key is looked up', async () => {
      // A transaction sees one moment of it otherwise.
      await tx`SELECT pg_stat_clear_snapshot()`
      const waiting = await tx`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%keys%'`
      return waiting.length === 5 ? true : null
    })
    for (const socket of sockets) socket.destroy()
    await until('they are closed', async () => ((await connections()) <= before ? true : null))
  })
  t.match(await upload('mine/content?format=plain', 'evil.example'), { status: 200 })
})

t.test('what a list of what is no threat names is not taken from the others, whichever came first', async (t) => {
  const { ask, upload, told, finds } = await begun()
  await upload('bad/content?format=plain', 'evil.example\ngood.example\n192.0.2.7\n')
  await upload('ours/content?format=plain&kind=suppress', 'good.example\n192.0.2.0/24\n')
  t.match((await ask()).body.lists, [
    { name: 'bad', entries: 1, suppressed: 2, kinds: { domain: 1, ip: 0 } },
    { name: 'ours', kind: 'suppress', entries: 2 },
  ])
  const { version } = (await told(null)) ?? {}
  t.same(await finds(version, 'evil.example good.example 192.0.2.7'), ['domain'])
  t.match(await upload('warn/content?format=misp-warninglist', '{"type":"hostname","list":["evil.example"]}'), {
    status: 200,
    body: { kind: 'suppress', entries: 1 },
  })
  t.same(await finds((await told(version))?.version, 'evil.example'), [])
})

t.test('what cannot be read is refused with its line and the reason, and changes nothing', async (t) => {
  const { ask, upload } = await begun()
  const bomb = gzipSync(Buffer.alloc(LIST_BYTES_MAX + 1))
  const cases: readonly (readonly [string, string | Uint8Array<ArrayBuffer>, number, RegExp])[] = [
    ['a/content', 'evil.example', 404, /say its "format"/],
    ['a/content?format=odd', 'evil.example', 400, /format/],
    ['A/content?format=plain', 'evil.example', 400, /expected 1 to 63/],
    ['a/content?format=plain', '', 400, /as the body/],
    ['a/content?format=plain', '# nothing\n', 400, /nothing in it can be read as plain/],
    ['a/content?format=urlhaus', 'one\ntwo\n', 400, /line 1: expected id, date and a URL/],
    ['a/content?format=plain', '<!DOCTYPE html><p>error</p>', 400, /a web page and no list/],
    [
      'a/content?format=plain',
      'a.example\n?\n!\n',
      400,
      /most of it cannot be read as plain: 2 lines, and 1 can; line 2/,
    ],
    ['a/content?format=stix', '{"type":"bundle"', 400, /line 1: it is not JSON/],
    ['a/content?format=plain', new Uint8Array(bomb), 400, /more than 64 MiB unpacked/],
    ['a/content?format=plain', new Uint8Array(bomb.subarray(0, 99)), 400, /cannot be unpacked/],
    ['a/content?format=plain', new Uint8Array([0x50, 0x4b, 3, 4, 0]), 400, /zip archive/],
    ['a/content?format=misp-warninglist&kind=block', '{}', 400, /can only be "suppress"/],
  ]
  for (const [path, body, status, detail] of cases)
    t.match(await upload(path, body), { status, body: { detail } }, path)
  t.match((await ask()).body, { lists: [], index: { version: null } })
  await upload('a/content?format=plain', 'a.example')
  t.match(await upload('a/content?format=stix', '{}'), { status: 409, body: { detail: /one of the format plain/ } })
  t.match(await upload('a/content?format=plain&kind=suppress', 'b.example'), { status: 409 })
  t.match(await upload('a/content', 'no list at all'), { status: 400 })
  t.match((await ask()).body.lists, [{ name: 'a', entries: 1 }], 'what was there stays')
})

t.test('a list is made once, of a URL that may be fetched, and there is a bound', async (t) => {
  const { orgId, ask, upload } = await begun()
  const url = 'https://feeds.example/list.txt'
  const bad: readonly object[] = [
    { name: 'a' },
    { name: 'a', format: 'plain', url: 'ftp://feeds.example/x' },
    { name: 'a', format: 'plain', url: 'https://me:pw@feeds.example/x' },
    { name: 'a', format: 'plain', url, refreshSeconds: 1 },
    { name: '../a', format: 'plain', url },
    { name: 'a', format: 'plain', more: 1 },
  ]
  for (const body of bad) t.match(await ask('', body), { status: 400 }, JSON.stringify(body))
  const made = { name: 'a', format: 'plain', kind: 'suppress', url }
  t.match(await ask('', made), { status: 200, body: { ...made, refreshSeconds: 3_600, contentHash: null, entries: 0 } })
  t.match(await ask('', made), { status: 409 })
  t.match(await upload('a/content', 'a.example'), { status: 409, body: { detail: /fetched from its URL/ } })
  t.match(await ask('', { name: 'b', format: 'plain' }), { status: 200, body: { url: null, refreshSeconds: null } })
  t.match(await ask('/b/refresh', ''), { status: 409, body: { detail: /has no URL/ } })
  await db.owner`
    INSERT INTO acc.threat_intel_lists (org_id, name, format, kind, created_by)
    SELECT ${orgId}, 'n' || n, 'plain', 'block', '' FROM generate_series(3, ${LISTS_MAX}) AS n`
  t.match(await ask('', { name: 'c', format: 'plain' }), { status: 409, body: { detail: /64 lists already/ } })
  t.match(await upload('c/content?format=plain', 'c.example'), { status: 409 })
})

t.test('an index is for the sidecars of its organisation alone, and those before stay for a while', async (t) => {
  const { credential, upload, told } = await begun()
  const other = await begun()
  const versions: string[] = []
  for (const domain of ['a', 'b', 'c', 'd']) {
    await upload('mine/content?format=plain', `${domain}.example`)
    versions.push((await told(null))?.version ?? '')
  }
  t.equal(new Set(versions).size, 4)
  const statuses = async (of: string): Promise<readonly number[]> => {
    const got: number[] = []
    for (const version of versions) got.push((await downloadIndex(one, of, version)).status)
    return got
  }
  t.same(await statuses(credential), [404, 200, 200, 200])
  t.same(await statuses(other.credential), [404, 404, 404, 404])
  const kept = await fetch(`${one.url}/sidecar/v1/threat-intel/${versions[3]}`, {
    headers: { authorization: `Bearer ${credential}`, 'if-none-match': `"${versions[3]}"` },
  })
  t.equal(kept.status, 304)
  t.equal((await downloadIndex(one, credential, 'x')).status, 400)
})

t.test('an upload that comes again after its replica ended before the index was made has it made', async (t) => {
  const { orgId, ask, upload, told, finds } = await begun()
  await upload('mine/content?format=plain', 'evil.example')
  // As a replica leaves it that is killed in between.
  await db.owner`
    UPDATE acc.threat_intel_states SET revision = revision + 1, version = NULL WHERE org_id = ${orgId}`
  t.match((await ask()).body.index, { version: null, pending: true })
  t.match(await upload('mine/content', 'evil.example'), { status: 200 })
  t.match((await ask()).body.index, { pending: false })
  t.same(await finds((await told(null))?.version, 'evil.example'), ['domain'])
})

t.test('an index that nobody made is made by whoever looks after the lists', async (t) => {
  const { orgId, upload, told, finds } = await begun()
  await upload('mine/content?format=plain', 'evil.example')
  await db.owner`
    UPDATE acc.threat_intel_states SET revision = revision + 1, version = NULL, revised_at = now() - interval '1 minute'
    WHERE org_id = ${orgId}`
  const asked = told(null, 20_000)
  two.threatIntel.start(orgId)
  t.same(await finds((await asked)?.version, 'evil.example'), ['domain'])
})

t.test('uploads at two replicas at once are all in force at the end', async (t) => {
  const { adminKey, ask, told, finds } = await begun()
  await Promise.all(
    [one, two].flatMap(({ url }, at) =>
      [0, 1].map((n) => uploadList(url, adminKey, `l${at}${n}/content?format=plain`, `e${at}${n}.example`)),
    ),
  )
  const { lists, index } = (await ask()).body
  t.equal(lists.length, 4)
  t.equal(index.pending, false)
  t.equal((await finds((await told(null))?.version, 'e00.example e01.example e10.example e11.example')).length, 4)
})

t.test('a list large enough for many pieces arrives whole', async (t) => {
  const { credential, upload, told } = await begun()
  const lines = Array.from({ length: 120_000 }, (_, n) => `host-${n}.example`).join('\n')
  t.match(await upload('large/content?format=plain', lines), { status: 200, body: { entries: 120_000 } })
  const news = await told(null)
  const index = await downloadIndex(two, credential, news?.version ?? '')
  t.ok((news?.bytes ?? 0) > 1_000_000)
  t.equal(index.hash, news?.version)
  t.equal(index.read().entries, 120_001)
})
