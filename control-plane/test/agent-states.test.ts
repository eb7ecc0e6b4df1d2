import { randomUUID } from 'node:crypto'
import {
  AGENT_COMMANDS_MAX,
  AGENT_PAUSE_MS_MAX,
  type AgentCommand,
  type ChannelAnswer,
} from '@agentcostcontrol/contract'
import t from 'tap'
import { type ApiAnswer, askApi } from '../../test/support/control-plane.ts'
import { until } from '../../test/support/until.ts'
import type { AgentPage } from '../agents/service.ts'
import type { AgentStateRow } from '../agents/state-repository.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { publishedPolicies, replicaFor, type TestReplica } from './support/replica.ts'

const newDatabase = await clusterFor(t)
const db = await databaseFor(t, await newDatabase())
const replicas = [await replicaFor(t, db, publishedPolicies()), await replicaFor(t, db, publishedPolicies())] as const
const [one, two] = replicas

const change = (
  to: 'pause' | 'resume',
  adminKey: string,
  agent: string,
  body: unknown = { reason: 'a test' },
  at: TestReplica = one,
): Promise<ApiAnswer<AgentStateRow>> =>
  askApi(`${at.url}/api/v1/agents/${encodeURIComponent(agent)}/${to}`, adminKey, body)

async function pollOf(at: TestReplica, orgId: string) {
  const credential = await at.credential(orgId, randomUUID())
  return (commands: number, waitMs = 20_000): Promise<ApiAnswer<ChannelAnswer>> =>
    askApi(`${at.url}/sidecar/v1/channel`, credential, {
      versions: { policy: 0, leases: 0, commands },
      refused: null,
      waitMs,
    })
}

const held = (replica: TestReplica): Promise<unknown> =>
  until('a poll is held', () => (replica.channel.polls === 1 ? true : null))

t.test(
  'a pause through one replica reaches a poll of another within two seconds, whole, and so does its end',
  async (t) => {
    const { orgId, adminKey } = await one.organisation()
    const poll = await pollOf(two, orgId)
    t.match(await poll(0, 0), { body: { commands: null } }, 'nobody was ever paused')
    let version = 0
    const times: number[] = []
    const told: AgentCommand[][] = []
    for (const [to, agent] of [
      ['pause', 'a'],
      ['pause', 'b'],
      ['resume', 'a'],
    ] as const) {
      const asked = poll(version)
      await held(two)
      const beganMs = performance.now()
      t.match(await change(to, adminKey, agent), { status: 200, body: { agent, endsAt: null, reason: 'a test' } })
      const { commands } = (await asked).body
      times.push(performance.now() - beganMs)
      t.ok((commands?.version ?? 0) > version, 'versions grow')
      version = commands?.version ?? 0
      told.push(commands?.agents ?? [])
    }
    // The machine is shared with other tests: the best of them is what it takes.
    t.ok(Math.min(...times) < 2_000, `${times.map(Math.round)} ms`)
    const states = told.map((agents) => agents.map(({ agent, state }) => `${agent} ${state}`))
    t.same(states, [['a paused'], ['a paused', 'b paused'], ['a active', 'b paused']])
    t.match(await poll(version, 0), { body: { commands: null } }, 'what is followed is not told again')
    t.match(await poll(version + 5, 0), { body: { commands: { version } } }, 'a restored database is followed as well')
  },
)

t.test('a pause with an end tells how long it still lasts, and is over by the clock of the database', async (t) => {
  const { orgId, adminKey } = await one.organisation()
  const poll = await pollOf(one, orgId)
  const paused = await change('pause', adminKey, 'a', { reason: 'for a while', durationMs: 60_000 })
  const { endsAt, changedAt } = paused.body
  t.equal(Date.parse(endsAt ?? '') - Date.parse(changedAt), 60_000)
  const [told] = (await poll(0, 0)).body.commands?.agents ?? []
  t.ok(told?.endsInMs != null && told.endsInMs > 30_000 && told.endsInMs <= 60_000)
  await db.owner`UPDATE acc.agent_states SET ends_at = now() - interval '1 second' WHERE org_id = ${orgId}`
  t.match((await poll(0, 0)).body.commands?.agents, [{ agent: 'a', state: 'active', endsInMs: null }])
  const until_ = new Date(Date.now() + 3_600_000).toISOString()
  t.match(await change('pause', adminKey, 'a', { reason: 'r', until: until_ }), {
    status: 200,
    body: { state: 'paused' },
  })
})

t.test(
  'the list of agents shows who is paused, why, since when and by whom, also one that never told of itself',
  async (t) => {
    const { adminKey } = await one.organisation()
    await change('pause', adminKey, 'ünheard/of', { reason: 'it loops' })
    const page = async () => (await askApi<AgentPage>(`${two.url}/api/v1/agents`, adminKey)).body.agents
    const [shown] = await page()
    t.match(shown, { agent: 'ünheard/of', status: 'silent', lastHeardAt: null, instances: 0 })
    t.match(shown?.control, { state: 'paused', reason: 'it loops', endsAt: null, changedBy: /^[0-9a-f-]{36}$/ })
    await change('resume', adminKey, 'ünheard/of')
    t.same(await page(), [], 'it is not known any more')
  },
)

t.test('what is no pause changes nothing, and nobody but an admin of the organisation can pause', async (t) => {
  const { orgId, adminKey } = await one.organisation()
  const other = await one.organisation()
  const soon = new Date(Date.now() + 60_000).toISOString()
  const bad: readonly unknown[] = [
    {},
    { reason: '' },
    { reason: '  ' },
    { reason: 'x'.repeat(201) },
    { reason: 'r', durationMs: 0 },
    { reason: 'r', durationMs: AGENT_PAUSE_MS_MAX + 1 },
    { reason: 'r', durationMs: 60_000, until: soon },
    { reason: 'r', until: '2001-01-01T00:00:00Z' },
    { reason: 'r', until: 'soon' },
    { reason: 'r', more: 1 },
  ]
  for (const body of bad) t.match(await change('pause', adminKey, 'a', body), { status: 400 }, JSON.stringify(body))
  t.match(await change('pause', adminKey, 'x'.repeat(254)), { status: 400 })
  t.match(await change('pause', adminKey, 'a\nb'), { status: 400 })
  const credential = await one.credential(orgId, randomUUID())
  t.match(await change('pause', credential, 'a'), { status: 403 }, 'no sidecar')
  t.match(await change('pause', other.adminKey, 'a'), { status: 200 }, 'another organisation pauses its own')
  const poll = await pollOf(one, orgId)
  t.match(await poll(0, 0), { body: { commands: null } })
  t.match(await change('pause', adminKey, 'é'.repeat(253)), { status: 200 }, 'the longest name there is')
})

t.test('pauses and resumes of many at once leave one list, and it has a bound', async (t) => {
  const { orgId, adminKey } = await one.organisation()
  const names = Array.from({ length: 12 }, (_, at) => `agent-${at}`)
  const answers = await Promise.all(
    names.map((name, at) => change(at % 3 === 0 ? 'resume' : 'pause', adminKey, name, undefined, replicas[at % 2])),
  )
  t.same([...new Set(answers.map(({ status }) => status))], [200])
  const poll = await pollOf(one, orgId)
  const agents = (await poll(0, 0)).body.commands?.agents ?? []
  t.equal(agents.length, 12)
  t.equal(new Set(agents.map(({ version }) => version)).size, 12, 'each change has a number of its own')
  await db.owner`
    INSERT INTO acc.agent_states (org_id, agent, state, reason, changed_by, version)
    SELECT ${orgId}, 'more-' || n, 'paused', 'r', '', n FROM generate_series(1, ${AGENT_COMMANDS_MAX - 8}) AS n`
  t.match(await change('pause', adminKey, 'one-too-many'), { status: 409, body: { detail: /5000 agents are stopped/ } })
  t.match(await change('pause', adminKey, 'agent-1'), { status: 200 }, 'one that is paused already may be again')
  t.match(await change('resume', adminKey, 'more-1'), { status: 200 })
  const told = (await poll(0, 0)).body.commands?.agents ?? []
  t.ok(told.length <= AGENT_COMMANDS_MAX)
})
