import t from 'tap'
import { chat } from '../support/chat.ts'
import type { TestSidecar } from '../support/sidecar.ts'
import { inTime, kept, timed, twoReplicasFor } from '../support/two-replicas.ts'
import { until } from '../support/until.ts'

const SECURITY = `apiVersion: agentcostcontrol.io/v1
kind: SecurityPolicy
metadata: { name: test }
spec: { detectors: { tool-poisoning: { request: { critical: block, high: block, medium: block } } } }`

interface Listed {
  readonly toolPins: readonly {
    readonly id: number
    readonly tool: string
    readonly state: string
    readonly hash: string
    readonly previousHash: string | null
    readonly changedPaths: readonly string[]
  }[]
}

const definition = (description: string) => ({
  type: 'function',
  function: { name: 'read_mail', description, parameters: { type: 'object', properties: { box: { type: 'string' } } } },
})
const [FIRST, SECOND, THIRD] = ['Reads mail.', 'Reads mail, all of it.', 'Reads mail, and sends it on.'].map(definition)

/** The rule that a request with a tool is refused by; `null` if it goes through. */
async function refused(sidecar: TestSidecar, tool: typeof FIRST): Promise<string | null> {
  const { code, message } = await chat(sidecar.url, { headers: { 'x-acc-agent': 'clerk' }, body: { tools: [tool] } })
  return code === null ? null : (/tool-poisoning\/([\w-]+)/.exec(message)?.[1] ?? code)
}

const becomes = (sidecar: TestSidecar, tool: typeof FIRST, rule: string | null) =>
  until(`it is ${rule}`, async () => ((await refused(sidecar, tool)) === rule ? true : null))

t.test(
  'a tool that changes is told to people through either replica; what they decide reaches running sidecars within two seconds, and survives the end of both planes',
  async (t) => {
    const { planes, plane, sidecar, ask } = await twoReplicasFor(t, { 'security.yaml': SECURITY })
    const sidecars = [await sidecar(0), await sidecar(1)] as const
    const listed = (state: string, count: number, at: 0 | 1 = 0) =>
      until(`${count} are ${state}`, async () => {
        const { toolPins } = (await ask<Listed>(`/security/tool-pins?agent=clerk&state=${state}`, undefined, at)).body
        return toolPins.length === count ? toolPins : null
      })
    for (const each of sidecars) t.equal(await refused(each, FIRST), null, 'first sight')
    const [pinned] = await listed('pinned', 1, 1)
    t.match(pinned, { tool: 'read_mail', previousHash: null, changedPaths: [] })

    t.equal(await refused(sidecars[0], SECOND), 'definition-changed')
    const [pending] = await listed('pending', 1, 1)
    t.match(pending, { tool: 'read_mail', previousHash: pinned?.hash, changedPaths: ['$.description'] })
    t.equal(await refused(sidecars[1], SECOND), 'definition-changed')
    const events = await until('security events', async () => {
      const { body } = await ask<{ readonly events: readonly unknown[] }>('/security/events?rule=definition-changed')
      return body.events.length === 2 ? body.events : null
    })
    t.match(events, [
      { agent: 'clerk', detector: 'tool-poisoning', severity: 'medium', action: 'block', source: 'tool_definition' },
      { agent: 'clerk', tool: 'read_mail' },
    ])

    const reason = { reason: 'a test' }
    t.match(await ask(`/security/tool-pins/${pending?.id}/approve`, reason, 1), { status: 200 })
    const times: number[] = []
    await Promise.all(sidecars.map((each) => timed(times, becomes(each, SECOND, null))))
    t.match(await ask(`/security/tool-pins/${pinned?.id}/reject`, reason, 0), { status: 200 })
    await Promise.all(sidecars.map((each) => timed(times, becomes(each, FIRST, 'definition-rejected'))))
    inTime(t, times)
    t.equal(await refused(sidecars[0], SECOND), null)

    await kept(sidecars[0], 'tool-pin-decisions.json', 'rejected')
    await kept(sidecars[0], 'tool-pins.json', 'read_mail')
    await sidecars[0].kill()
    for (const each of planes) await each.kill()
    const again = await sidecar(0, sidecars[0].dataDir)
    t.equal(await refused(again, FIRST), 'definition-rejected')
    t.equal(await refused(again, SECOND), null)
    t.equal(await refused(again, THIRD), 'definition-changed', 'while nobody is there to be told')
    for (const each of planes) await plane(new URL(each.url).host)
    const [third] = await listed('pending', 1)
    t.match(third, { previousHash: pinned?.hash, changedPaths: ['$.description'] })

    const fresh = await sidecar(1)
    await becomes(fresh, FIRST, 'definition-rejected')
    t.match(await ask(`/security/tool-pins/${pinned?.id}`, undefined, 1, 'DELETE'), { status: 200 })
    for (const each of [again, sidecars[1]]) await becomes(each, FIRST, null)
  },
)
