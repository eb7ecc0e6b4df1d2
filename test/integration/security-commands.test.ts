import { randomUUID } from 'node:crypto'
import { DETECTORS } from '@agentcostcontrol/detectors'
import t from 'tap'
import { batchOf, usageEvent } from '../../control-plane/test/support/events.ts'
import { eventFinding, toolPinReport } from '../../control-plane/test/support/security.ts'
import { chat } from '../support/chat.ts'
import { askApi, enrol, sendEvents } from '../support/control-plane.ts'
import type { TestSidecar } from '../support/sidecar.ts'
import { inTime, kept, timed, twoReplicasFor } from '../support/two-replicas.ts'
import { until } from '../support/until.ts'

const REASON = { reason: 'a test' }

const answered = (sidecar: TestSidecar, agent: string, code: string | null) =>
  until(`${agent} is answered ${code}`, async () =>
    (await chat(sidecar.url, { headers: { 'x-acc-agent': agent } })).code === code ? true : null,
  )

t.test(
  'quarantine and release reach the sidecars of both replicas within two seconds, from people and from findings, and survive the end of both planes',
  async (t) => {
    const { planes, plane, key, sidecar, ask } = await twoReplicasFor(t)
    const sidecars = [await sidecar(0), await sidecar(1)] as const
    const times: number[] = []
    const arrives = (code: string | null) =>
      Promise.all(sidecars.map((each) => timed(times, answered(each, 'bad', code))))
    for (const each of sidecars) await answered(each, 'bad', null)
    t.match(await ask('/agents/bad/quarantine', REASON), { status: 200 })
    await arrives('acc_agent_quarantined')
    t.match(await ask('/agents/bad/resume', REASON, 1), { status: 409 })
    await answered(sidecars[0], 'good', null)
    t.match(await ask('/agents/bad/release', REASON, 1), { status: 200 })
    await arrives(null)

    const instanceId = randomUUID()
    const credential = await enrol(planes[0].url, key, instanceId)
    const found = usageEvent({
      instanceId,
      principal: { ...usageEvent().principal, agent: 'bad' },
      findings: [eventFinding({ action: 'quarantine' })],
    })
    t.match(await sendEvents(planes[0].url, credential, batchOf([found])), { body: { stored: 1 } })
    await arrives('acc_agent_quarantined')
    inTime(t, times)
    t.match(await ask('/security/events'), { body: { events: [{ eventId: found.eventId, action: 'quarantine' }] } })

    for (const each of sidecars) await kept(each, 'agent-states.json', 'quarantined')
    await sidecars[0].kill()
    for (const each of planes) await each.kill()
    const again = await sidecar(0, sidecars[0].dataDir)
    t.equal((await chat(again.url, { headers: { 'x-acc-agent': 'bad' } })).code, 'acc_agent_quarantined')
    for (const each of planes) await plane(new URL(each.url).host)
    const fresh = await sidecar(1)
    await answered(fresh, 'bad', 'acc_agent_quarantined')
    t.match(await ask('/agents/bad/release', REASON), { status: 200 })
    for (const each of [again, sidecars[1], fresh]) await answered(each, 'bad', null)
  },
)

t.test(
  'what a detector finds stops its agent at the sidecars of both replicas, and a suppression lets it pass',
  async (t) => {
    const all = '{ low: quarantine, medium: quarantine, high: quarantine, critical: quarantine }'
    const security = `apiVersion: agentcostcontrol.io/v1
kind: SecurityPolicy
metadata: { name: test }
spec: { detectors: { secrets: { request: ${all}, response: ${all} } } }`
    const { sidecar, ask } = await twoReplicasFor(t, { 'security.yaml': security })
    const sidecars = [await sidecar(0), await sidecar(1)] as const
    const canary = DETECTORS.find(({ id }) => id === 'secrets')?.canary() ?? ''
    const leak = async (agent: string, each: TestSidecar) =>
      (
        await chat(each.url, {
          headers: { 'x-acc-agent': agent },
          body: { messages: [{ role: 'user', content: canary }] },
        })
      ).code
    t.equal(await leak('leaky', sidecars[0]), 'acc_security_blocked')
    t.equal(
      (await chat(sidecars[0].url, { headers: { 'x-acc-agent': 'leaky' } })).code,
      'acc_agent_quarantined',
      'at once',
    )
    await answered(sidecars[1], 'leaky', 'acc_agent_quarantined')
    t.match(await ask('/agents/leaky/release', REASON), { status: 200 })
    for (const each of sidecars) await answered(each, 'leaky', null)

    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    t.match(await ask('/security/suppressions', { detector: 'secrets', agent: 'leaky', ...REASON, expiresAt }), {
      status: 200,
    })
    for (const each of sidecars) {
      await until('it is in force', async () => ((await each.metric('acc_suppressions')) === 1 ? true : null))
      t.equal(await leak('leaky', each), null, 'let pass')
    }
    t.equal(await leak('other', sidecars[0]), 'acc_security_blocked', 'for nobody else')
  },
)

t.test(
  'suppressions and decisions on tools reach running sidecars within two seconds, and survive the end of both planes',
  async (t) => {
    const { planes, plane, key, sidecar, ask } = await twoReplicasFor(t)
    const sidecars = [await sidecar(0), await sidecar(1)] as const
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    const made = await ask<{ readonly id: string }>('/security/suppressions', { detector: 'pii', ...REASON, expiresAt })
    const inForce = (each: TestSidecar, count: number) =>
      until(`${count} are in force`, async () => ((await each.metric('acc_suppressions')) === count ? true : null))
    const times: number[] = []
    await Promise.all(sidecars.map((each) => timed(times, inForce(each, 1))))
    const credential = await enrol(planes[1].url, key, randomUUID())
    const reports = [toolPinReport()]
    t.match(await askApi(`${planes[1].url}/sidecar/v1/tool-pins`, credential, { reports }), { body: { stored: 1 } })
    const pins = await ask<{ readonly toolPins: readonly { readonly id: number }[] }>('/security/tool-pins')
    const pin = `/security/tool-pins/${pins.body.toolPins[0]?.id}`
    t.match(await ask(`${pin}/reject`, REASON), { status: 200 })
    await Promise.all(sidecars.map((each) => timed(times, kept(each, 'tool-pin-decisions.json', 'rejected'))))
    inTime(t, times)
    await kept(sidecars[0], 'suppressions.json', 'pii')

    await sidecars[0].kill()
    for (const each of planes) await each.kill()
    const again = await sidecar(0, sidecars[0].dataDir)
    await inForce(again, 1)
    for (const each of planes) await plane(new URL(each.url).host)
    const fresh = await sidecar(1)
    await inForce(fresh, 1)
    await kept(fresh, 'tool-pin-decisions.json', 'rejected')
    t.match(await ask(`${pin}/approve`, REASON), { status: 200 })
    const ended = await askApi(
      `${planes[1].url}/api/v1/security/suppressions/${made.body.id}`,
      key,
      undefined,
      'DELETE',
    )
    t.equal(ended.status, 200)
    for (const each of [again, sidecars[1], fresh]) {
      await inForce(each, 0)
      await kept(each, 'tool-pin-decisions.json', 'approved')
    }
  },
)
