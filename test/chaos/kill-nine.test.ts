import t from 'tap'
import { audit, auditLine } from '../support/audit.ts'
import { faultsOf, readBooks } from '../support/books.ts'
import { billed, CLIENTS, checkRemaining, finalBill, foldersFor } from '../support/chaos.ts'
import { mixedLoadFor } from '../support/mixed-load.ts'
import { inCheckout } from '../support/paths.ts'
import { sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'

t.test('kill -9 under load, again and again: the record is the bill', async (t) => {
  const simulator = await simulatorFor(t, { recordRequests: false })
  const place = { upstream: `${simulator.url}/v1`, ...foldersFor(t) }
  const load = mixedLoadFor(t, CLIENTS)
  let unresolved = 0
  for (let round = 1; round <= 8; round++) {
    const sidecar = await sidecarFor(t, place)
    unresolved += await sidecar.metric('acc_unresolved_intents_at_start')
    const known = simulator.bill.entries().length
    load.aim(sidecar.url)
    await billed(simulator, known + 25 * round)
    load.aim(null)
    await sidecar.kill()
  }
  const last = await sidecarFor(t, place)
  unresolved += await last.metric('acc_unresolved_intents_at_start')
  await load.stop()
  await finalBill(simulator)
  t.equal(await last.metric('acc_budget_reserved_usd'), 0, 'nothing is held')
  await checkRemaining(t, last)
  t.equal(await last.stop(), 0)

  const books = readBooks(last.dataDir)
  const result = audit(books.events, simulator.bill)
  t.comment(auditLine(result))
  t.same(result.faults, [])
  t.ok(result.exact > 200, 'most were exact')
  t.ok(unresolved > 0, 'some were under way when it was killed')
  t.equal(books.events.filter(({ outcome }) => outcome === 'unresolved').length, unresolved)
  t.same(faultsOf(books), [])
})

t.test('kill -9 while it starts again, twice in a row: what was open is told once', async (t) => {
  const simulator = await simulatorFor(t, { recordRequests: false })
  const place = { upstream: `${simulator.url}/v1`, ...foldersFor(t) }
  const load = mixedLoadFor(t, CLIENTS)
  const first = await sidecarFor(t, place)
  load.aim(first.url)
  await billed(simulator, 60)
  load.aim(null)
  await first.kill()
  await load.stop()
  const open = readBooks(place.dataDir).openIntents
  t.ok(open > 0, 'some were under way')

  // In the middle of resolving what was open: behind the BEGIN, which is the fourth statement, and before the COMMIT.
  for (const statement of [5, 9]) {
    const crash = {
      nodeArgs: ['--import', inCheckout('test/preload/crash-at.ts')],
      env: { TEST_CRASH_AT: `${statement}` },
    }
    await t.rejects(sidecarFor(t, { ...place, ...crash }), { message: /ended with null/ })
    t.equal(readBooks(place.dataDir).openIntents, open, 'all or none')
  }
  const last = await sidecarFor(t, place)
  await finalBill(simulator)
  t.equal(readBooks(place.dataDir).events.filter(({ outcome }) => outcome === 'unresolved').length, open)
  t.equal(await last.metric('acc_budget_reserved_usd'), 0, 'nothing is held')
  await checkRemaining(t, last)
  t.equal(await last.stop(), 0)
  const books = readBooks(place.dataDir)
  t.same(audit(books.events, simulator.bill).faults, [])
  t.same(faultsOf(books), [])
})
