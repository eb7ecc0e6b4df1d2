import { closeSync, existsSync, fstatSync, openSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { send } from '../support/ask.ts'
import { audit, auditLine } from '../support/audit.ts'
import { type BookedLease, type Books, faultsOf, readBooks } from '../support/books.ts'
import { billed, CLIENTS, checkRemaining, foldersFor } from '../support/chaos.ts'
import { mixedLoadFor, WHOLE_KINDS } from '../support/mixed-load.ts'
import { sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

t.test('SIGTERM under load: every answer that was begun is whole, and what comes later is refused', async (t) => {
  const simulator = await simulatorFor(t, { recordRequests: false })
  const place = { upstream: `${simulator.url}/v1`, ...foldersFor(t) }
  const load = mixedLoadFor(t, CLIENTS, WHOLE_KINDS)
  const sidecar = await sidecarFor(t, place)
  load.aim(sidecar.url)
  await billed(simulator, 300)
  t.equal(await sidecar.stop(), 0)
  load.aim(null)
  await load.stop()
  t.same(
    load.surprises.filter((surprise) => !surprise.endsWith('fetch failed')),
    [],
    'no answer was broken off',
  )
  const books = readBooks(place.dataDir)
  const result = audit(books.events, simulator.bill)
  t.comment(auditLine(result), load.results)
  t.same(result.faults, [])
  t.equal(result.estimated, 0, 'all of it exact')
  t.equal(result.exact, load.results.answered)
  t.equal(books.events.filter(({ code }) => code === 'acc_shutting_down').length, load.results.refused)
  t.same(faultsOf(books), [])
  const again = await sidecarFor(t, place)
  t.equal(await again.metric('acc_unresolved_intents_at_start'), 0)
})

t.test('a second sidecar on the same folder does not start, and the first one goes on', async (t) => {
  const simulator = await simulatorFor(t)
  const place = { upstream: `${simulator.url}/v1`, ...foldersFor(t) }
  const first = await sidecarFor(t, place)
  await t.rejects(sidecarFor(t, place), {
    message: /another sidecar is using the data folder .*: give each its own ACC_DATA_DIR/,
  })
  t.equal((await send(first.url)).status, 200)
  await first.kill()
  const third = await sidecarFor(t, place)
  t.equal((await send(third.url)).status, 200, 'a killed one does not keep the folder')
})

t.test('a damaged outbox is kept aside and told, and the money that its leases held stays out of reach', async (t) => {
  const simulator = await simulatorFor(t)
  const place = { upstream: `${simulator.url}/v1`, ...foldersFor(t) }
  const first = await sidecarFor(t, place)
  await (await send(first.url, { headers: { 'x-acc-agent': 'a' } })).text()
  await first.events(1)
  const file = join(place.dataDir, 'outbox.sqlite')
  await until('a checkpoint', () => (statSync(file).size > 16_384 ? true : null))
  await first.kill()
  const { instance, granted, returned, spent } = leaseOf(readBooks(place.dataDir), 'all')
  t.ok(granted - returned - spent > 0n, 'it held more than it spent')

  damage(file)
  damage(`${file}-wal`)
  const second = await sidecarFor(t, place)
  const told = second.log.find(({ message }) => String(message).startsWith('the outbox is damaged'))
  t.match(told, { level: 'error', keptAs: /outbox\.sqlite\.damaged-\d+$/ })
  t.ok(existsSync(String(told?.keptAs)), 'it is there to be looked at')
  t.equal((await send(second.url, { headers: { 'x-acc-agent': 'a' } })).status, 200, 'the sidecar serves')
  await second.events(1)

  const { ledger, events } = readBooks(place.dataDir)
  const old = ledger.filter((lease) => lease.instance === instance)
  t.ok(old.length > 0)
  for (const lease of old) t.equal(lease.returned, 0n, 'what the lost one held was not returned')
  t.not(events[0]?.instanceId, instance, 'a new instance')
  await checkRemaining(t, second, granted)
  t.equal(await second.stop(), 0)

  const third = await sidecarFor(t, place)
  t.notOk(
    third.log.some(({ level }) => level === 'error'),
    'the new file is sound',
  )
})

/** Overwrites all but the first bytes of a file. */
function damage(file: string): void {
  const handle = openSync(file, 'r+')
  try {
    writeSync(handle, Buffer.alloc(fstatSync(handle).size - 100, 0x55), 0, undefined, 100)
  } finally {
    closeSync(handle)
  }
}

function leaseOf(books: Books, budget: string): BookedLease {
  const lease = books.ledger.find(({ counter }) => counter.startsWith(`${budget}/`))
  if (!lease) throw new Error(`no lease of ${budget}`)
  return lease
}
