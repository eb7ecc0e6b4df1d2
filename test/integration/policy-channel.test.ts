import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { policyRevision } from '@agentcostcontrol/policy'
import t, { type Test } from 'tap'
import { metricsText, readiness, readinessDetail, revisionInForce } from '../support/admin.ts'
import { type BundleSigner, bundleSigner } from '../support/bundles.ts'
import { chat } from '../support/chat.ts'
import { folderFor } from '../support/scope.ts'
import { type Misbehaviour, type ScriptedPlane, scriptedPlaneFor } from '../support/scripted-plane.ts'
import { AMPLE_BUDGET, budgetYaml, securityYaml, sidecarFor, type TestSidecar } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

const orgId = '0b0b3d0c-5a50-4b5c-9d8f-1a2b3c4d5e6f'
const AMPLE = { 'budget.yaml': AMPLE_BUDGET }
const SPENT = { 'budget.yaml': budgetYaml({ name: 'none', limit: '0.000000001' }) }

interface Begun {
  readonly plane: ScriptedPlane
  readonly signer: BundleSigner
  /** A sidecar of the plane, on the data folder of an earlier one if that is named. */
  sidecar(more?: { readonly dataDir?: string; readonly env?: Readonly<Record<string, string>> }): Promise<TestSidecar>
}

async function begun(t: Test): Promise<Begun> {
  const simulator = await simulatorFor(t)
  const signer = bundleSigner(orgId)
  const plane = await scriptedPlaneFor(t, [signer.key])
  return {
    plane,
    signer,
    sidecar: ({ env = {}, ...more } = {}) =>
      sidecarFor(t, { upstream: `${simulator.url}/v1`, ...more, env: { ...plane.env, ...env } }),
  }
}

/** The generation in force. */
const generation = (sidecar: TestSidecar): Promise<number> => sidecar.metric('acc_policy_generation')

const inForce = (sidecar: TestSidecar, wanted: number, timeoutMs?: number): Promise<unknown> =>
  until(`generation ${wanted} in force`, async () => ((await generation(sidecar)) === wanted ? true : null), timeoutMs)

t.test('without a policy everything is refused, and it comes up by itself when the control plane does', async (t) => {
  const { plane, signer, sidecar } = await begun(t)
  await plane.stop()
  const one = await sidecar()
  t.match(await chat(one.url), { status: 503, code: 'acc_policy_missing' })
  t.match(await readiness(one.adminUrl), { status: 503, ready: false, checks: { policy: { ok: false } } })
  await readinessDetail(one.adminUrl, 'policy', /^none; the control plane has not answered yet/)
  await plane.start()
  await until('a poll that waits', () => (plane.asks.length > 1 ? true : null))
  t.match(plane.asks[0], { versions: { policy: 0, leases: 0 }, refused: null, waitMs: 0 })
  t.match(plane.asks[1], { versions: { policy: 0, leases: 0 }, refused: null, waitMs: 25_000 })
  t.equal((await readiness(one.adminUrl)).status, 503, 'a control plane without a policy is none')
  plane.publish(signer.bundle(AMPLE))
  await inForce(one, 1)
  t.equal((await chat(one.url)).status, 200)
  t.match(await readiness(one.adminUrl), { status: 200, ready: true })
  await readinessDetail(one.adminUrl, 'policy', /^control plane; the control plane answered \d+ s ago$/)
  await until('an acknowledgement', () => (plane.asks.at(-1)?.versions.policy === 1 ? true : null))
  const revision = await revisionInForce(one.adminUrl)
  t.equal(revision, policyRevision([{ path: 'budget.yaml', text: AMPLE_BUDGET }]))
  t.equal((await one.events(2)).at(-1)?.policyRevision, revision)
})

t.test('a change is enforced in less than two seconds and acknowledged; one poll is open at a time', async (t) => {
  const { plane, signer, sidecar } = await begun(t)
  plane.publish(signer.bundle(AMPLE))
  const one = await sidecar()
  await inForce(one, 1)
  const times: number[] = []
  for (let number = 2; number <= 6; number++) {
    const spent = number % 2 === 0
    const publishedMs = performance.now()
    plane.publish(signer.bundle(spent ? SPENT : AMPLE))
    await until('it is enforced', async () => ((await chat(one.url)).status === (spent ? 429 : 200) ? true : null))
    times.push(performance.now() - publishedMs)
  }
  // The machine is shared with other tests: the best of them is what it takes.
  t.ok(Math.min(...times) < 2_000, `${times.map(Math.round)} ms`)
  await until('an acknowledgement', () => (plane.asks.at(-1)?.versions.policy === 6 ? true : null))
  t.same([...new Set(plane.asks.map(({ versions }) => versions.policy))], [0, 1, 2, 3, 4, 5, 6])
  t.equal(plane.asks.length, 7)
  t.equal(plane.enrolments, 1, 'one enrolment serves all calls')
  t.equal(await one.metric('acc_control_channel_polls_total'), 6)
  t.equal(await one.metric('acc_control_channel_failures_total'), 0)
})

t.test('a bad bundle changes nothing: it is refused with its reasons, and a good one mends it', async (t) => {
  const { plane, signer, sidecar } = await begun(t)
  plane.publish(signer.bundle(AMPLE))
  const one = await sidecar()
  await inForce(one, 1)
  plane.publish(signer.bundle({ 'budget.yaml': AMPLE_BUDGET.replace('"1000000.00"', '1.00') }))
  const refused = await until('a refusal', () => plane.asks.at(-1)?.refused ?? null)
  t.match(refused, { generation: 2, problems: [{ file: 'budget.yaml', line: 6, path: 'spec.limit' }] })
  t.match(plane.asks.at(-1), { versions: { policy: 1 } })
  await readinessDetail(one.adminUrl, 'policy', /; refused: budget\.yaml:6 spec\.limit: /)
  t.equal((await readiness(one.adminUrl)).status, 200)
  t.equal((await chat(one.url)).status, 200, 'the last good one stays')
  t.equal(await one.metric('acc_policy_problems'), 1)
  plane.publish(signer.bundle(SPENT))
  await inForce(one, 3)
  t.equal(plane.asks.filter(({ refused }) => refused !== null).length, 1, 'it was asked for once')
  t.equal(await one.metric('acc_policy_problems'), 0)
  await until('no refusal any more', () => (plane.asks.at(-1)?.refused === null ? true : null))
})

t.test(
  'a forged bundle, one of another organisation and an older one change nothing, and cause no storm',
  async (t) => {
    const { plane, signer, sidecar } = await begun(t)
    plane.publish(signer.bundle(AMPLE, { generation: 10 }))
    const one = await sidecar()
    await inForce(one, 10)
    const good = signer.bundle(SPENT, { generation: 11 })
    const forger = bundleSigner(orgId)
    const bad: readonly (readonly [string, Parameters<ScriptedPlane['insist']>[0], RegExp])[] = [
      ['changed', { ...good, manifest: good.manifest.replace('none', 'some') }, /its signature is not that of the key/],
      ['forged', forger.bundle(SPENT, { generation: 9_000_000_000_000 }), /signed with the key \w+; trusted are/],
      [
        'forged under a known name',
        { ...forger.bundle(SPENT, { generation: 12 }), keyId: signer.key.keyId },
        /its signature is not that of the key/,
      ],
      [
        'of another organisation',
        signer.bundle(SPENT, { generation: 13, orgId: '11111111-2222-4333-8444-555555555555' }),
        /it is of the organisation 1111.*and this sidecar is of 0b0b/,
      ],
      ['older', signer.bundle(SPENT, { generation: 9 }), /its generation 9 is not newer than 10/],
      ['the same generation', signer.bundle(SPENT, { generation: 10 }), /its generation 10 is not newer than 10/],
      ['another revision', signer.bundle(SPENT, { generation: 14, revision: 'a'.repeat(64) }), /says revision aaa/],
    ]
    const startedMs = performance.now()
    const asked = plane.asks.length
    for (const [name, bundle, told] of bad) {
      plane.insist(bundle)
      await readinessDetail(one.adminUrl, 'policy', told)
      t.match(plane.asks.at(-1)?.versions.policy, 10, name)
      await until('it is told', () => (told.test(plane.asks.at(-1)?.refused?.problems[0]?.message ?? '') ? true : null))
    }
    await until('some time has passed', () => (performance.now() - startedMs > 3_000 ? true : null))
    const seconds = (performance.now() - startedMs) / 1_000
    t.ok(plane.asks.length - asked < 15 + 10 * seconds, `${plane.asks.length - asked} polls in ${seconds} s`)
    t.equal((await chat(one.url)).status, 200)
    plane.insist(good)
    await inForce(one, 11)
    t.equal((await chat(one.url)).status, 429, 'and a good one is taken all the same')
    plane.insist(null)
  },
)

t.test('after a restart the bundle is verified again, and an older one is refused as before', async (t) => {
  const { plane, signer, sidecar } = await begun(t)
  plane.publish(signer.bundle(AMPLE, { generation: 10 }))
  const first = await sidecar()
  await inForce(first, 10)
  t.equal((await chat(first.url)).status, 200)
  await first.kill()
  await plane.stop()
  const second = await sidecar({ dataDir: first.dataDir })
  t.equal((await chat(second.url)).status, 200, 'served without the control plane')
  t.match(await readiness(second.adminUrl), { status: 200, ready: true })
  await readinessDetail(second.adminUrl, 'policy', /^last-known-good; the control plane answered \d+ s ago/)
  plane.insist(signer.bundle(SPENT, { generation: 9 }))
  await plane.start()
  await readinessDetail(second.adminUrl, 'policy', /its generation 9 is not newer than 10/)
  t.equal((await chat(second.url)).status, 200)
  plane.insist(null)
  t.equal(await second.stop(), 0)

  const file = join(first.dataDir, 'policy-bundle.json')
  const kept = readFileSync(file, 'utf8')
  await plane.stop()
  for (const damaged of [kept.slice(0, -20), kept.replace('1000000', '2000000'), '{}', '']) {
    writeFileSync(file, damaged)
    const third = await sidecar({ dataDir: first.dataDir })
    t.match(await chat(third.url), { status: 503, code: 'acc_policy_missing' })
    t.ok(third.log.some(({ message }) => message === 'the policy that was kept is not taken'))
    t.equal(await third.stop(), 0)
  }
})

t.test('pinned keys alone are trusted, whatever the control plane tells, on the wire and on the disk', async (t) => {
  const { plane, signer, sidecar } = await begun(t)
  const pinned = bundleSigner(orgId)
  const keyFile = join(folderFor(t), 'keys.pem')
  writeFileSync(keyFile, pinned.key.publicKey)
  const env = { ACC_POLICY_KEY_FILE: keyFile }
  plane.publish(signer.bundle(AMPLE))
  const unpinned = await sidecar()
  await inForce(unpinned, 1)
  await unpinned.stop()
  const one = await sidecar({ dataDir: unpinned.dataDir, env })
  t.match(await chat(one.url), { status: 503, code: 'acc_policy_missing' }, 'what was kept is not signed by it')
  await readinessDetail(one.adminUrl, 'policy', new RegExp(`trusted are ${pinned.key.keyId}`))
  plane.publish(pinned.bundle(AMPLE, { generation: 2 }))
  await inForce(one, 2)
  writeFileSync(keyFile, 'nonsense')
  await t.rejects(sidecar({ env }), /ACC_POLICY_KEY_FILE .* holds no public keys/)
})

t.test('a new signing key is learnt from the control plane without a restart', async (t) => {
  const { plane, signer, sidecar } = await begun(t)
  plane.publish(signer.bundle(AMPLE))
  const one = await sidecar()
  await inForce(one, 1)
  const next = bundleSigner(orgId)
  plane.keys = [signer.key, next.key]
  plane.publish(next.bundle(SPENT, { generation: 2 }))
  await inForce(one, 2)
})

t.test('whatever the control plane does on the channel, requests go on and the next bundle arrives', async (t) => {
  const { plane, signer, sidecar } = await begun(t)
  plane.publish(signer.bundle(AMPLE))
  const one = await sidecar()
  await inForce(one, 1)
  const failing: readonly Misbehaviour[] = ['garbage', 'another shape', 'dies', 'status 500', 'unauthenticated']
  let number = 1
  for (const how of failing) {
    const before = await one.metric('acc_control_channel_failures_total')
    plane.misbehave(how)
    await until(`a failure: ${how}`, async () =>
      (await one.metric('acc_control_channel_failures_total')) > before ? true : null,
    )
    t.equal((await chat(one.url)).status, 200, how)
    plane.misbehave(null)
    plane.publish(signer.bundle(AMPLE, { generation: ++number }))
    await inForce(one, number)
  }
  t.equal((await readiness(one.adminUrl)).status, 200)
  const warned = one.log.filter(
    ({ message, level }) => level === 'warn' && /channel.*interrupted/.test(String(message)),
  )
  t.equal(warned.length, failing.length, 'each outage is told once')
})

t.test('two megabytes that come slowly are taken, and hold up neither requests nor events', async (t) => {
  const { plane, signer, sidecar } = await begun(t)
  plane.publish(signer.bundle(AMPLE))
  const one = await sidecar()
  await inForce(one, 1)
  plane.misbehave('drips')
  const filler = Object.fromEntries(
    Array.from({ length: 8 }, (_, at) => [`${at}.yaml`, `# ${'filler '.repeat(18_000)}\n`]),
  )
  plane.publish(signer.bundle({ ...AMPLE, ...filler }))
  t.equal((await chat(one.url)).status, 200)
  await until('its event is up', async () =>
    (await one.metric('acc_outbox_unacknowledged_events')) === 0 ? true : null,
  )
  await inForce(one, 2, 30_000)
})

t.test('a stop does not wait for the poll', async (t) => {
  const { plane, signer, sidecar } = await begun(t)
  plane.publish(signer.bundle(AMPLE))
  const one = await sidecar()
  await inForce(one, 1)
  await until('a poll that waits', () => (plane.asks.length >= 2 ? true : null))
  const startedMs = performance.now()
  t.equal(await one.stop(), 0)
  t.ok(performance.now() - startedMs < 20_000, 'it waits for 25 s')
})

t.test(
  'a policy that is too old: kept by default, closed or open where that is asked for, and over by itself',
  async (t) => {
    const { plane, signer, sidecar } = await begun(t)
    const policies = { ...SPENT, 'security.yaml': securityYaml({ request: 'block' }) }
    plane.publish(signer.bundle(policies))
    const stale = { ACC_STALE_AFTER_MS: '4000' }
    const [keeps, closed, open] = await Promise.all([
      sidecar({ env: stale }),
      sidecar({ env: { ...stale, ACC_ON_STALE: 'failClosed' } }),
      sidecar({ env: { ...stale, ACC_ON_STALE: 'failOpen' } }),
    ])
    for (const each of [keeps, closed, open]) await inForce(each, 1)
    const refused = async (each: TestSidecar) => ((await chat(each.url)).status === 429 ? true : null)
    await until('the budget holds', () => refused(open))
    const unheld = await open.metric('acc_policy_unheld_requests_total')
    const told = (await open.events(1)).length
    await plane.stop()
    for (const each of [closed, open])
      await until('it is stale', async () => ((await each.metric('acc_policy_stale')) === 1 ? true : null))
    t.match(await chat(closed.url), { status: 503, code: 'acc_policy_stale' })
    t.match(await readiness(closed.adminUrl), { status: 503 })
    await readinessDetail(closed.adminUrl, 'policy', /stale: requests are refused$/)
    t.match(await chat(open.url), { status: 200 })
    t.match(await readiness(open.adminUrl), { status: 200 })
    t.equal(await open.metric('acc_policy_unheld_requests_total'), unheld + 1)
    t.match((await open.events(told + 1)).at(-1), { policyRevision: /^stale-open:[0-9a-f]{64}$/, charges: [] })
    t.match(await chat(keeps.url), { status: 429 })
    t.ok((await keeps.metric('acc_control_channel_silence_seconds')) > 1)
    t.equal(await keeps.metric('acc_policy_stale'), 0)

    await closed.kill()
    const again = await sidecar({ dataDir: closed.dataDir, env: { ...stale, ACC_ON_STALE: 'failClosed' } })
    t.match(await chat(again.url), { status: 503, code: 'acc_policy_stale' }, 'a restart does not make it younger')
    await plane.start()
    for (const each of [again, open]) {
      await until('it is over', async () => ((await each.metric('acc_policy_stale')) === 0 ? true : null))
      await until('the budget holds again', () => refused(each))
    }
    t.match(await metricsText(again.adminUrl), /^acc_policy_loaded 1$/m)
  },
)
