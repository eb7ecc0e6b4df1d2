import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { SecurityEventPage, SecuritySummary, ShownSecurityEvent } from '../security/event-service.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { usageEvent } from './support/events.ts'
import { publishedPolicies, replicaFor } from './support/replica.ts'
import { Said } from './support/said.ts'
import { eventFinding, findingDetail } from './support/security.ts'

const newDatabase = await clusterFor(t)
const db = await databaseFor(t, await newDatabase())
const replicas = [await replicaFor(t, db, publishedPolicies()), await replicaFor(t, db, publishedPolicies())]

t.test(
  'each kind of finding of an event is a row once, however often and through whichever replica it comes',
  async (t) => {
    const said = await Said.by(replicas)
    const id = randomUUID()
    const [one, two] = [await said.sidecar(0, id), await said.sidecar(1, id)]
    const { detail: _, ...bare } = eventFinding({ detectorId: 'of-old' })
    const event = usageEvent({
      streamed: true,
      findings: [
        eventFinding({ count: 3 }),
        eventFinding({ detectorId: 'pii', detail: findingDetail({ source: 'user', tool: null, inspectionUs: null }) }),
        bare,
      ],
    })
    await Promise.all([one.send([event, usageEvent()]), two.send([event]), one.send([usageEvent(), event])])
    const { events } = (await said.ask<SecurityEventPage>('/security/events')).body
    t.equal(events.length, 2)
    const found = events.find(({ detector }) => detector === 'prompt-injection')
    t.match(found, {
      eventId: event.eventId,
      at: event.intentAt,
      instanceId: id,
      agent: 'researcher',
      workflow: 'reports',
      session: 's-1',
      provider: 'openai',
      direction: 'request',
      streamed: true,
      source: 'tool_result',
      tool: 'read_mail',
      detectorVersion: '1',
      rule: 'ignore-previous',
      category: 'injection',
      severity: 'high',
      score: 0.9,
      owaspLlm: 'LLM01:2025',
      mitreAtlas: null,
      action: 'block',
      mode: 'enforce',
      count: 3,
      places: [{ textHash: 'a'.repeat(32), start: 3, end: 9 }],
      inspectionUs: 120,
    })
    t.same((await said.ask<ShownSecurityEvent>(`/security/events/${found?.id}`)).body, found)
    t.match(await said.ask('/security/events/999999'), { status: 404 })
    const other = await Said.by(replicas)
    t.match(await other.ask(`/security/events/${found?.id}`), { status: 404 }, 'another organisation')
    t.same((await other.ask<SecurityEventPage>('/security/events')).body.events, [])
  },
)

t.test('they are narrowed, paged from the newest, and summed up', async (t) => {
  const said = await Said.by(replicas)
  const sidecar = await said.sidecar(0)
  const day = (n: number) => `2026-11-${String(n).padStart(2, '0')}T10:00:00.000Z`
  const events = Array.from({ length: 9 }, (_, at) =>
    usageEvent({
      intentAt: day(1 + (at % 3)),
      principal: { ...usageEvent().principal, agent: at === 0 ? null : `agent-${at % 2}` },
      findings: [
        eventFinding({
          severity: at % 2 === 0 ? 'low' : 'critical',
          action: at === 8 ? 'alert' : 'block',
          mode: at === 8 ? 'audit' : 'enforce',
          ruleId: `rule-${at % 3}`,
          count: at + 1,
        }),
      ],
    }),
  )
  await sidecar.send(events)
  const list = async (query: string) => (await said.ask<SecurityEventPage>(`/security/events?${query}`)).body
  for (const [query, count] of [
    ['severity=low', 5],
    ['rule=rule-1', 3],
    ['agent=(none)', 1],
    ['agent=agent-1&severity=critical', 4],
    ['action=alert&mode=audit', 1],
    ['source=user', 0],
    ['detector=prompt-injection&source=tool_result', 9],
    [`from=${day(2)}&to=${day(3)}`, 3],
  ] as const)
    t.equal((await list(query)).events.length, count, query)
  const walked: number[] = []
  const times: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page: SecurityEventPage = await list(`limit=4${cursor === '' ? '' : `&cursor=${cursor}`}`)
    walked.push(...page.events.map(({ id }) => id))
    times.push(...page.events.map(({ at }) => at))
    cursor = page.nextCursor
  }
  t.equal(new Set(walked).size, 9)
  t.same(times, [...times].sort().reverse())
  const { body: sums } = await said.ask<SecuritySummary>('/security/summary?mode=enforce', undefined, 1)
  t.same(sums.detector, [{ key: 'prompt-injection', findings: 36, events: 8 }])
  t.same(sums.severity, [
    { key: 'critical', findings: 20, events: 4 },
    { key: 'low', findings: 16, events: 4 },
  ])
  t.same(
    sums.day.map(({ key }) => key),
    ['2026-11-03', '2026-11-02', '2026-11-01'],
  )
  t.equal(sums.agent.length, 3)
  for (const query of ['severity=huge', 'from=soon', 'cursor=no', 'more=1', 'limit=0'])
    t.match(await said.ask(`/security/events?${query}`), { status: 400 }, query)
})

t.test('halves of characters in names hold no event up', async (t) => {
  const said = await Said.by(replicas)
  const sidecar = await said.sidecar(0)
  const findings = [eventFinding({ detail: findingDetail({ tool: 'a\ud800b', category: '\udc00' }) })]
  const principal = { ...usageEvent().principal, session: '\ud800' }
  t.match(await sidecar.send([usageEvent({ findings, principal })]), { status: 200, body: { stored: 1 } })
  t.match((await said.ask('/security/events')).body, { events: [{ tool: 'a\ufffdb', session: '\ufffd' }] })
})
