import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { askApi } from '../../test/support/control-plane.ts'
import { until } from '../../test/support/until.ts'
import { isPublicAddress } from '../threat-intel/addresses.ts'
import { FetchFailed, fetchList } from '../threat-intel/fetch.ts'
import { indexRepository } from '../threat-intel/index-repository.ts'
import { type IntelList, listRepository } from '../threat-intel/list-repository.ts'
import { LIST_BYTES_MAX } from '../threat-intel/unpack.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { type IntelPage, urlhaus } from './support/intel.ts'
import { publishedPolicies, replicaFor } from './support/replica.ts'

const newDatabase = await clusterFor(t)
const db = await databaseFor(t, await newDatabase())

const NEVER = new AbortController().signal
const NOTHING = { etag: null, lastModified: null }
const BYTES_MAX = 1024 * 1024

/** What the server of the lists does; each test says it. */
let respond = (_: IncomingMessage, response: ServerResponse): void => void response.end()
const asked: IncomingMessage[] = []
const server = createServer((request, response) => {
  asked.push(request)
  respond(request, response)
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
t.teardown(() => {
  server.closeAllConnections()
  server.close()
})
const { port } = server.address() as AddressInfo
const base = `http://127.0.0.1:${port}`

/** No answer that comes at all comes later. */
const PATIENT_MS = 60_000
const fetching = { allowedHosts: [`127.0.0.1:${port}`], bytesMax: BYTES_MAX, timeoutMs: PATIENT_MS }
const fetched = (path = '/', over = {}) => fetchList(`${base}${path}`, NOTHING, { ...fetching, ...over }, NEVER)
const refusal = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof FetchFailed)) throw new Error(`it was not refused: ${error}`)
  return error.message
}

t.test('addresses of one’s own machines and of metadata services are none of the public Internet', async (t) => {
  const own = [
    '127.0.0.1 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 100.100.100.200 0.0.0.0',
    '224.0.0.1 255.255.255.255 192.0.0.192 198.18.0.1 ::1 :: fe80::1 fd00:ec2::254 fc00::1 ff02::1',
    '::ffff:127.0.0.1 ::ffff:a9fe:a9fe 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::1 2001:0:a9fe::1 2001:db8::1 none',
  ].flatMap((line) => line.split(' '))
  for (const address of own) t.notOk(isPublicAddress(address), address)
  for (const address of ['1.1.1.1', '93.184.216.34', '172.32.0.1', '2606:4700::1111', '2a00:1450::1'])
    t.ok(isPublicAddress(address), address)
  fc.assert(
    fc.property(fc.ipV4(), (address) => isPublicAddress(`::ffff:${address}`) === false),
    { numRuns: 100 },
  )
})

t.test('a host that is at a private address is refused, however it is written, named or reached', async (t) => {
  const strict = { allowedHosts: [] }
  asked.length = 0
  for (const host of [`127.0.0.1:${port}`, `[::ffff:127.0.0.1]:${port}`, `0x7f.1:${port}`, `2130706433:${port}`])
    t.match(
      await refusal(fetchList(`http://${host}/`, NOTHING, { ...fetching, ...strict }, NEVER)),
      /no public address: name the host in CONTROL_PLANE_THREAT_INTEL_ALLOW_HOSTS/,
      host,
    )
  const resolve =
    (...addresses: readonly string[]) =>
    (_: string, __: unknown, done: (error: null, found: { address: string; family: number }[]) => void) =>
      done(
        null,
        addresses.map((address) => ({ address, family: 4 })),
      )
  const rebound = { ...fetching, ...strict, resolve: resolve('93.184.216.34', '127.0.0.1') }
  t.match(
    await refusal(fetchList(`http://feeds.example:${port}/`, NOTHING, rebound, NEVER)),
    /feeds\.example is at 127\.0\.0\.1/,
    'one bad address is enough',
  )
  t.equal(asked.length, 0, 'no connection was made')
  const named = { ...fetching, allowedHosts: ['feeds.example'], resolve: resolve('127.0.0.1') }
  t.match(await fetchList(`http://feeds.example:${port}/`, NOTHING, named, NEVER), { kind: 'content' })
})

t.test('each hop of a redirect is held to the same rules', async (t) => {
  const to = (location: string) => (request: IncomingMessage, response: ServerResponse) =>
    request.url === '/' ? response.writeHead(302, { location }).end() : response.end('evil.example')
  const cases: readonly (readonly [string, RegExp])[] = [
    ['http://169.254.169.254/latest/meta-data/', /169\.254\.169\.254, which is no public address/],
    [`http://127.0.0.1:1/x`, /no public address/],
    ['file:///etc/passwd', /expected http or https, not file/],
    ['http://me:pw@feeds.example/', /a user and a password/],
    ['/', /redirects more than 5 times/],
  ]
  for (const [location, reason] of cases) {
    respond = to(location)
    t.match(await refusal(fetched()), reason, location)
  }
  respond = to('/list.txt')
  t.match(await fetched(), { kind: 'content' })
})

t.test('a server that fails in any way is an error that says how, in time and in bounds', async (t) => {
  const cases: readonly (readonly [string, (response: ServerResponse) => unknown, RegExp])[] = [
    ['500', (response) => response.writeHead(500).end('x'), /status 500/],
    ['304 that nobody asked for', (response) => response.writeHead(304).end(), /status 304/],
    ['a redirect to nowhere', (response) => response.writeHead(302).end(), /status 302/],
    ['endless', (response) => endless(response), /more than 1 MiB/],
    [
      'a length beyond the bound',
      (response) => response.writeHead(200, { 'content-length': '9999999' }).flushHeaders(),
      /more than 1/,
    ],
    ['another coding', (response) => response.writeHead(200, { 'content-encoding': 'br' }).end('x'), /encoded as br/],
    [
      'cut',
      (response) => response.writeHead(200, { 'content-length': '9' }).write('x', () => response.destroy()),
      /fetched/,
    ],
    ['reset', (response) => response.destroy(), /could not be fetched/],
  ]
  for (const [name, answer, reason] of cases) {
    respond = (_, response) => void answer(response)
    t.match(await refusal(fetched()), reason, name)
  }
  const slow: readonly (readonly [string, (response: ServerResponse) => unknown])[] = [
    ['slow headers', () => {}],
    ['a drip', drip],
  ]
  for (const [name, answer] of slow) {
    respond = (_, response) => void answer(response)
    t.match(await refusal(fetched('/', { timeoutMs: 500 })), /did not come within 0\.5 s/, name)
  }
  t.match(
    await refusal(fetchList('http://127.0.0.1:1/', NOTHING, { ...fetching, allowedHosts: ['127.0.0.1'] }, NEVER)),
    /ECONNREFUSED/,
  )
})

function drip(response: ServerResponse): void {
  response.writeHead(200)
  const timer = setInterval(() => response.write('x'), 100)
  response.once('close', () => clearInterval(timer))
}

function endless(response: ServerResponse): void {
  const piece = Buffer.alloc(64 * 1024, 'a')
  const more = (): void => {
    while (!response.destroyed && response.write(piece));
    response.once('drain', more)
  }
  more()
}

/** An organisation with a list at the server. */
async function begun(t: Test) {
  const replica = await replicaFor(t, db, publishedPolicies(), { fetching })
  const { orgId, adminKey } = await replica.organisation()
  const ask = <Body = IntelList & { readonly detail?: string }>(path = '', body?: unknown, method?: string) =>
    askApi<Body>(`${replica.url}/api/v1/security/threat-intel${path}`, adminKey, body, method)
  t.match(await ask('', { name: 'haus', format: 'urlhaus', url: `${base}/haus.csv` }), { status: 200 })
  return { replica, orgId, adminKey, ask, refresh: () => ask('/haus/refresh', '') }
}

t.test('a list is fetched, asked for by its ETag, and keeps what it held when a fetch fails', async (t) => {
  const { ask, refresh } = await begun(t)
  const text = urlhaus('http://evil-files.test/a.exe')
  respond = (request, response) =>
    request.headers['if-none-match'] === '"1"'
      ? response.writeHead(304).end()
      : response.writeHead(200, { etag: '"1"', 'last-modified': 'Mon, 23 Nov 2026 12:00:00 GMT' }).end(text)
  const first = await refresh()
  t.match(first, { status: 200, body: { entries: 1, kinds: { url: 1 }, failures: 0, lastError: null } })
  const again = await refresh()
  t.match(again.body, { contentHash: first.body.contentHash, changedAt: first.body.changedAt, failures: 0 })
  t.match(asked.at(-1)?.headers, { 'if-none-match': '"1"', 'if-modified-since': 'Mon, 23 Nov 2026 12:00:00 GMT' })
  t.ok((again.body.checkedAt ?? '') >= (first.body.checkedAt ?? ''))

  const bomb = gzipSync(Buffer.alloc(LIST_BYTES_MAX + 1))
  const failures: readonly (readonly [string, (response: ServerResponse) => unknown, RegExp])[] = [
    ['500', (response) => response.writeHead(500).end(), /status 500/],
    ['a web page', (response) => response.end('<html>maintenance'), /web page/],
    ['an empty body', (response) => response.end(), /nothing in it can be read as urlhaus/],
    ['another format', (response) => response.end('{"a":1}'), /nothing in it can be read as urlhaus; line 1/],
    ['a bomb', (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb), /64 MiB unpacked/],
    ['metadata', (response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end(), /169\.254/],
  ]
  let number = 0
  for (const [name, answer, reason] of failures) {
    respond = (_, response) => void answer(response)
    const { body } = await refresh()
    t.match(body, { failures: ++number, lastError: reason, entries: 1, contentHash: first.body.contentHash }, name)
    const waitS = (Date.parse(body.nextFetchAt ?? '') - Date.parse(body.failedAt ?? '')) / 1_000
    t.equal(waitS, 30 * 2 ** (number - 1), 'longer each time')
  }
  respond = (_, response) =>
    void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(text.replace('a.exe', 'b.exe')))
  t.match((await refresh()).body, { failures: 0, lastError: null, entries: 1 })
  t.match((await ask<IntelPage>()).body.index, { entries: 3, pending: false })
})

t.test('of any number of replicas one fetches', async (t) => {
  const { replica, orgId, ask, refresh } = await begun(t)
  const other = await replicaFor(t, db, publishedPolicies(), { fetching })
  asked.length = 0
  const gate = Promise.withResolvers<void>()
  const begins = Promise.withResolvers<void>()
  respond = (_, response) => {
    begins.resolve()
    void gate.promise.then(() => response.end(urlhaus('http://evil-files.test/a.exe')))
  }
  for (const each of [replica, other]) each.threatIntel.start(orgId)
  await begins.promise
  await until('the one that does not fetch has looked', async () => {
    const shown = await Promise.all([replica, other].map(({ metrics }) => metrics.text()))
    return shown.some((text) => text.includes('acc_threat_intel_lists{')) ? true : null
  })
  t.match(await refresh(), { status: 409, body: { detail: /being fetched already/ } })
  gate.resolve()
  // Before that, a replica that ends would leave it to the other one.
  await until('what was fetched', async () => ((await ask('/haus')).body.entries === 1 ? true : null))
  for (const each of [replica, other]) await each.threatIntel.close()
  t.equal(asked.length, 1)
})

t.test('what a replica that was killed had begun to fetch is another one’s after a while', async (t) => {
  const { orgId, refresh } = await begun(t)
  respond = (_, response) => void response.end(urlhaus('http://evil-files.test/a.exe'))
  const claimed = (seconds: number) => db.owner`
    UPDATE acc.threat_intel_lists
    SET claim = ${randomUUID()}, claimed_until = now() + ${seconds}::int * interval '1 second' WHERE org_id = ${orgId}`
  await claimed(60)
  t.match(await refresh(), { status: 409, body: { detail: /being fetched already/ } })
  await claimed(-1)
  t.match(await refresh(), { status: 200, body: { entries: 1 } })
})

t.test(
  'a replica that stops while it fetches leaves the list to another one at once, and it is no failure',
  async (t) => {
    const { replica, adminKey, refresh } = await begun(t)
    const other = await replicaFor(t, db, publishedPolicies(), { fetching })
    const begins = Promise.withResolvers<void>()
    respond = () => begins.resolve()
    const refreshed = refresh()
    await begins.promise
    await replica.threatIntel.close()
    t.match(await refreshed, { status: 200, body: { failures: 0, contentHash: null } })
    respond = (_, response) => void response.end(urlhaus('http://evil-files.test/a.exe'))
    const there = await askApi(`${other.url}/api/v1/security/threat-intel/haus/refresh`, adminKey, '')
    t.match(there, { status: 200, body: { entries: 1, failures: 0 } })
  },
)

t.test('a list that is deleted while it is fetched stays deleted', async (t) => {
  const { ask, refresh } = await begun(t)
  const gate = Promise.withResolvers<void>()
  const begins = Promise.withResolvers<void>()
  respond = (_, response) => {
    begins.resolve()
    void gate.promise.then(() => response.end(urlhaus('http://evil-files.test/a.exe')))
  }
  const refreshed = refresh()
  await begins.promise
  t.match(await ask('/haus', undefined, 'DELETE'), { status: 200 })
  gate.resolve()
  t.match(await refreshed, { status: 404 })
  t.match((await ask<IntelPage>()).body, { lists: [], index: { version: null } })
})

t.test('a fetch that changes a list and an index that is put in force wait for each other in one order', async (t) => {
  const { orgId, refresh } = await begun(t)
  const gate = Promise.withResolvers<void>()
  const begins = Promise.withResolvers<void>()
  respond = (_, response) => {
    begins.resolve()
    void gate.promise.then(() => response.end(urlhaus('http://evil-files.test/a.exe')))
  }
  const refreshed = refresh()
  await begins.promise
  const kinds = { domain: 0, url: 0, ip: 0, 'file-hash': 0, package: 0 }
  const counts = { entries: 0, kinds, suppressed: 0, skipped: 0, problems: [] }
  // As an index is put in force: the state first, then what each list counts.
  await db.database.inOrg(orgId, async (tx) => {
    await indexRepository.lock(tx)
    gate.resolve()
    await until('the fetch waits', async () => {
      const waiting = await db.owner`
        SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
      return waiting.length > 0 ? true : null
    })
    await listRepository.count(tx, 'haus', counts)
  })
  t.match(await refreshed, { status: 200, body: { entries: 1, failures: 0 } })
})
