import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readiness } from '../support/admin.ts'
import { readUntil, send } from '../support/ask.ts'
import { audit, auditLine } from '../support/audit.ts'
import { faultsOf, readBooks } from '../support/books.ts'
import { checkRemaining, finalBill, foldersFor } from '../support/chaos.ts'
import { mixedLoadFor, WHOLE_KINDS } from '../support/mixed-load.ts'
import { folderFor } from '../support/scope.ts'
import { readEvents, sidecarFor, type TestSidecar } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { noSmallDisk, type SmallDisk, smallDiskFor } from '../support/small-disk.ts'
import { until } from '../support/until.ts'

const MIB = 1024 * 1024
const skip = noSmallDisk ?? false
if (noSmallDisk) process.stderr.write(`full-disk.test.ts: ${noSmallDisk}\n`)

async function started(t: Test, bytes = 24 * MIB) {
  const simulator = await simulatorFor(t, { recordRequests: false })
  const disk = smallDiskFor(t, bytes)
  const place = {
    upstream: `${simulator.url}/v1`,
    policyDir: foldersFor(t).policyDir,
    dataDir: join(disk.folder, 'data'),
  }
  mkdirSync(place.dataDir)
  return { simulator, disk, place, sidecar: await sidecarFor(t, place) }
}

/** Sends until the disk is known to be full. */
const refused = (sidecar: TestSidecar): Promise<Response> =>
  until('a request is refused', async () => {
    const response = await ask(sidecar)
    if (response.status === 503) return response
    await response.text()
    return null
  })

let asked = 0
function ask(sidecar: TestSidecar): Promise<Response> {
  asked++
  const task = `ask-${asked}`
  return send(sidecar.url, { prompt: task, headers: { 'x-acc-task': task }, sim: { tag: task } })
}

const recovered = (sidecar: TestSidecar, disk: SmallDisk): Promise<true> => {
  disk.free()
  return until('it is ready again', async () => ((await readiness(sidecar.adminUrl)).ready ? true : null))
}

t.test('a full disk refuses what costs, settles what runs, and is over when there is space', { skip }, async (t) => {
  const { simulator, disk, sidecar } = await started(t)
  const streams = await Promise.all(
    Array.from({ length: 6 }, async (_, at) => {
      const name = `stream-${at}`
      const response = await send(sidecar.url, {
        stream: true,
        prompt: name,
        headers: { 'x-acc-task': name },
        sim: { tag: name, 'output-tokens': 60, 'chunk-delay-ms': 25 },
      })
      await readUntil(response.clone(), '"content":" ')
      return response
    }),
  )
  disk.fill()
  const refusal = await refused(sidecar)
  t.equal(refusal.headers.get('retry-after'), '5')
  t.equal(refusal.headers.get('x-acc-code'), 'acc_outbox_unavailable')
  t.match(await refusal.text(), /cannot write to its disk/)
  t.match(await readiness(sidecar.adminUrl), {
    status: 503,
    ready: false,
    checks: { outbox: { ok: false, detail: /nothing can be written/ }, policy: { ok: true } },
  })
  t.equal(await sidecar.metric('acc_outbox_writable'), 0)
  t.ok((await sidecar.metric('acc_outbox_failures_total')) >= 1)
  t.match(
    sidecar.log.find(({ level }) => level === 'error'),
    { message: /the outbox cannot be written: no request that costs money is sent/, reason: /full|space/i },
  )
  const free = await fetch(`${sidecar.url}/v1/models`, { headers: { authorization: 'Bearer any' } })
  t.equal(free.status, 200, 'what costs nothing goes through')
  t.equal((await fetch(`${sidecar.adminUrl}/healthz`)).status, 200, 'it is alive, and not restarted for it')

  for (const stream of streams) t.match(await stream.text(), '[DONE]', 'a running stream is not disturbed')
  await until('the streams are on the full disk', () =>
    readEvents(sidecar.dataDir).filter(({ principal }) => principal.task?.startsWith('stream-')).length === 6
      ? true
      : null,
  )
  const still = await ask(sidecar)
  t.equal(still.status, 503, 'the space that was kept for them is not for new requests')

  await recovered(sidecar, disk)
  t.ok(sidecar.log.some(({ message }) => message === 'the outbox can be written again'))
  t.equal(await sidecar.metric('acc_outbox_writable'), 1)
  t.equal((await ask(sidecar)).status, 200)
  await finalBill(simulator)
  t.equal(await sidecar.stop(), 0)
  const books = readBooks(sidecar.dataDir)
  const result = audit(books.events, simulator.bill)
  t.comment(auditLine(result))
  t.same(result.faults, [])
  t.equal(result.estimated, 0, 'all of it exact')
  t.same(faultsOf(books), [])
  t.ok(
    books.events.some(({ code }) => code === 'acc_outbox_unavailable'),
    'refusals are told once there is space',
  )
})

t.test('under load, with the disk filled and freed again and again, the record is the bill', { skip }, async (t) => {
  const { simulator, disk, place, sidecar } = await started(t)
  const load = mixedLoadFor(t, 12, WHOLE_KINDS)
  load.aim(sidecar.url)
  for (let round = 1; round <= 3; round++) {
    const { answered } = load.results
    await until('some are answered', () => (load.results.answered > answered + 40 ? true : null))
    disk.fill()
    const { refused: before } = load.results
    await until('requests are refused', () => (load.results.refused > before + 40 ? true : null))
    await recovered(sidecar, disk)
  }
  load.aim(null)
  await load.stop()
  t.same(load.surprises, [], 'no answer was broken off')
  await finalBill(simulator)
  await checkRemaining(t, sidecar)
  t.equal(await sidecar.stop(), 0)
  const books = readBooks(place.dataDir)
  const result = audit(books.events, simulator.bill)
  t.comment(auditLine(result))
  t.same(result.faults, [])
  t.same(faultsOf(books), [])
})

t.test('a kill on a full disk loses nothing: what ran is charged its bound at the next start', { skip }, async (t) => {
  const { simulator, disk, place, sidecar } = await started(t)
  const hung = Array.from({ length: 3 }, (_, at) =>
    send(sidecar.url, {
      stream: true,
      prompt: `hung ${at}`,
      headers: { 'x-acc-task': `hung-${at}` },
      sim: { tag: `hung-${at}`, fault: 'stall-mid-stream' },
    }).then((response) => response.text()),
  )
  for (const each of hung) each.catch(() => {})
  await until('the provider has them', () => (simulator.bill.entries().length === 3 ? true : null))
  disk.fill()
  await refused(sidecar)
  await sidecar.kill()
  const again = await sidecarFor(t, place).catch((error: Error) => error)
  if (again instanceof Error) {
    t.match(again.message, /the sidecar cannot start: the data folder .* cannot be used: .*full/)
    t.notOk(
      readdirSync(place.dataDir).some((name) => name.includes('damaged')),
      'a full disk is no damage',
    )
  } else {
    t.match(await readiness(again.adminUrl), { checks: { outbox: { ok: false } } })
    await again.stop()
  }
  disk.free()
  const third = await sidecarFor(t, place)
  await finalBill(simulator)
  await checkRemaining(t, third)
  t.equal(await third.stop(), 0)
  const books = readBooks(place.dataDir)
  const result = audit(books.events, simulator.bill)
  t.same(result.faults, [])
  // What had ended, and was refused its place on the disk until the end, is among them.
  t.ok(books.events.filter(({ outcome }) => outcome === 'unresolved').length >= 3)
  t.same(faultsOf(books), [])
})

t.test('SIGTERM on a full disk ends with what runs settled, by the space that was kept for it', { skip }, async (t) => {
  const { simulator, disk, place, sidecar } = await started(t)
  const running = await send(sidecar.url, {
    stream: true,
    prompt: 'running',
    headers: { 'x-acc-task': 'running' },
    sim: { tag: 'running', 'output-tokens': 40, 'chunk-delay-ms': 20 },
  })
  await readUntil(running.clone(), '"content":" ')
  disk.fill()
  await refused(sidecar)
  const exit = sidecar.stop()
  t.match(await running.text(), '[DONE]')
  t.equal(await exit, 0)
  disk.free()
  const result = audit(readBooks(place.dataDir).events, simulator.bill)
  t.same(result.faults, [])
  t.equal(result.estimated, 0)
  const again = await sidecarFor(t, place)
  t.equal(await again.metric('acc_unresolved_intents_at_start'), 0)
})

t.test(
  'a disk without room for the reserve starts, is not ready, and serves once there is room',
  { skip },
  async (t) => {
    const { disk, sidecar } = await started(t, 6 * MIB)
    t.match(await readiness(sidecar.adminUrl), { status: 503, checks: { outbox: { ok: false } } })
    t.equal((await ask(sidecar)).status, 503)
    t.ok(disk.folder)
  },
)

t.test('a data folder that cannot be written ends the start and says which, why and what to do', async (t) => {
  const upstream = 'http://127.0.0.1:9/v1'
  const file = join(folderFor(t), 'file')
  writeFileSync(file, '')
  await t.rejects(sidecarFor(t, { upstream, dataDir: file }), told(file, 'EEXIST|ENOTDIR'))
  await t.rejects(sidecarFor(t, { upstream, dataDir: join(file, 'below') }), told(join(file, 'below'), 'ENOTDIR'))
  if (noSmallDisk) return
  const { folder } = smallDiskFor(t, MIB, ',ro')
  await t.rejects(sidecarFor(t, { upstream, dataDir: folder }), told(folder, 'read-?only|EROFS'))
  await t.rejects(
    sidecarFor(t, { upstream, dataDir: join(folder, 'data') }),
    told(join(folder, 'data'), 'EROFS|ENOENT'),
  )
  t.notOk(existsSync(join(folder, 'data')))
})

const told = (folder: string, reason: string): { message: RegExp } => ({
  message: new RegExp(
    `the sidecar cannot start: the data folder ${folder} cannot be written.*(${reason}).*ACC_DATA_DIR`,
    'i',
  ),
})
