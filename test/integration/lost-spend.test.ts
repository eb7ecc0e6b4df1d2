/** What made gateways before us lose spend, or stand still, under load. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { type Ask, readUntil, send } from '../support/ask.ts'
import { audit } from '../support/audit.ts'
import { finalBill } from '../support/chaos.ts'
import { mixedLoadFor, WHOLE_KINDS } from '../support/mixed-load.ts'
import { AMPLE_BUDGET, budgetYaml, readEvents, sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

t.test('answers that end while the record cannot be written are written down when it can', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
  const name = (at: number): Ask => ({ headers: { 'x-acc-task': `${at}` }, sim: { tag: `${at}` }, prompt: `${at}` })
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, at) =>
      send(sidecar.url, { ...name(at), stream: true, sim: { tag: `${at}`, 'chunk-delay-ms': 10 } }),
    ),
  )
  const db = new DatabaseSync(join(sidecar.dataDir, 'outbox.sqlite'))
  db.exec('BEGIN IMMEDIATE')
  for (const answer of answers) t.match(await answer.text(), '[DONE]', 'the answer is whole')
  t.equal(readEvents(sidecar.dataDir).length, 0, 'none is on disk')
  db.exec('ROLLBACK')
  db.close()
  const events = await sidecar.events(8)
  const result = audit(events, simulator.bill)
  t.same(result.faults, [])
  t.equal(result.exact, 8)
  t.equal(await sidecar.metric('acc_outbox_open_intents'), 0)
})

t.test('two hundred clients that leave at once: all are charged, and nobody else waits', async (t) => {
  const simulator = await simulatorFor(t, { recordRequests: false })
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
  const leaving = await Promise.all(
    Array.from({ length: 200 }, async (_, at) => {
      const tag = `${at}`
      const response = await send(sidecar.url, {
        stream: true,
        prompt: tag,
        headers: { 'x-acc-task': tag },
        sim: { tag, fault: 'stall-mid-stream' },
      })
      return readUntil(response, '"content":" ')
    }),
  )
  const left = leaving.map(({ leave }) => leave())
  const begun = performance.now()
  t.equal((await send(sidecar.url, { headers: { 'x-acc-task': 'other' }, sim: { tag: 'other' } })).status, 200)
  t.ok(performance.now() - begun < 30_000, 'the next request is not held up')
  await Promise.all(left)
  const events = await sidecar.events(201)
  await finalBill(simulator)
  const result = audit(events, simulator.bill)
  t.same(result.faults, [])
  t.equal(events.filter(({ outcome }) => outcome === 'aborted').length, 200)
  t.equal(await sidecar.metric('acc_budget_reserved_usd'), 0)
})

t.test('a prompt that no tokenizer gets through in time holds nobody up', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    // Little money, so that the bound of the bytes alone is not enough.
    policies: { 'budget.yaml': budgetYaml({ name: 'little', limit: '0.20' }) },
  })
  for (const prompt of ['a'.repeat(200_000), ' '.repeat(200_000), '🧮'.repeat(50_000)]) {
    const begun = performance.now()
    const response = await send(sidecar.url, { prompt })
    await response.text()
    t.ok(performance.now() - begun < 30_000, `answered ${response.status} in time`)
  }
})

t.test('many agents at once, over many budgets: none deadlocks and no increment is dropped', async (t) => {
  const simulator = await simulatorFor(t, { recordRequests: false })
  const budgets = Object.fromEntries(
    ['a', 'b', 'c', 'd', 'e'].map((name) => [`${name}.yaml`, budgetYaml({ name, limit: '1000.00', agent: '*' })]),
  )
  const sidecar = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    policies: { 'budget.yaml': AMPLE_BUDGET, ...budgets },
  })
  const outbox = join(sidecar.dataDir, 'outbox.sqlite')
  const empty = statSync(outbox).size
  const load = mixedLoadFor(t, 32, WHOLE_KINDS)
  load.aim(sidecar.url)
  await until('enough was answered', () => (load.results.answered >= 600 ? true : null))
  await load.stop()
  t.same(load.surprises, [])
  const events = await sidecar.events(load.results.answered)
  const result = audit(events, simulator.bill)
  t.same(result.faults, [])
  t.equal(result.exact, load.results.answered)

  const bytes = Math.round((statSync(outbox).size - empty) / events.length)
  t.ok(bytes < 2_500, `${bytes} bytes of disk an exchange, indices and all`)
  t.equal(await sidecar.stop(), 0)
})
