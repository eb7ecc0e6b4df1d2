import { createServer } from 'node:http'
import { type SidecarHeartbeat, sidecarHeartbeatSchema } from '@agentcostcontrol/contract'
import t from 'tap'
import { until } from '../../test/support/until.ts'
import { createAgentReports, TASKS_MAX } from '../agents/reports.ts'
import type { Timers } from '../clock.ts'
import { createControlPlaneClient } from '../control/client.ts'
import { createHeartbeats, HEARTBEAT_EVERY_MS } from '../control/heartbeats.ts'

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const BOOT = 'a3bb189e-8bf9-4888-9912-ace4e6543002'
const FIGURES = {
  version: '0.1.0',
  nodeVersion: 'v24.0.0',
  startedAt: '2026-11-24T12:00:00.000Z',
  cpuShare: 0,
  memoryBytes: 1,
  eventLoopDelayMs: 0,
  unsentEvents: 0,
  queuedScans: 0,
  leaseWaits: 0,
  requestsInFlight: 0,
}
const TASK = {
  agent: 'a',
  name: null,
  workflow: null,
  session: null,
  status: 'running',
  saidAt: '2026-11-24T12:00:00.000Z',
  queuedAt: null,
  startedAt: null,
  endedAt: null,
  errorCode: null,
} as const

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Heartbeats to a control plane that answers as `answer` says, with pauses that a test ends. */
function worldOf(answer: (message: SidecarHeartbeat) => number | Error = ({ seq }) => seq) {
  const waiting: { readonly ms: number; readonly work: () => void }[] = []
  const timers: Timers = {
    after: (ms, work) => {
      const entry = { ms, work }
      waiting.push(entry)
      return () => void waiting.splice(waiting.indexOf(entry), waiting.includes(entry) ? 1 : 0)
    },
  }
  const sent: SidecarHeartbeat[] = []
  const client = {
    sendHeartbeat: async (json: string) => {
      const message = sidecarHeartbeatSchema.parse(JSON.parse(json))
      sent.push(message)
      const seq = answer(message)
      if (seq instanceof Error) throw seq
      return { seq }
    },
  }
  const reports = createAgentReports({ clock: { nowMs: () => 0, monotonicMs: () => 0 }, keep: true })
  const options = { reports, client, bootId: BOOT, figures: () => FIGURES, timers, random: () => 0.5, log: SILENT }
  return { sent, waiting, reports, start: () => createHeartbeats(options) }
}

t.test('a start is told at once, and then every five seconds what agents said, all of it', async (t) => {
  const { sent, waiting, reports, start } = worldOf()
  start()
  await settled()
  t.match(sent, [{ bootId: BOOT, seq: 1, agents: [], tasks: [], sidecar: FIGURES }])
  t.same(
    waiting.map(({ ms }) => ms),
    [HEARTBEAT_EVERY_MS],
  )
  for (let at = 0; at < TASKS_MAX; at++) reports.tasks([{ ...TASK, taskId: `t-${at}` }])
  waiting.shift()?.work()
  await settled()
  t.equal(new Set(sent.flatMap(({ tasks }) => tasks.map(({ taskId }) => taskId))).size, TASKS_MAX)
  t.same(
    sent.map(({ seq }) => seq),
    [1, 2, 3, 4, 5],
  )
  t.equal(waiting.length, 1)
})

t.test('what was not answered, or answered as something else, is told again with what came in between', async (t) => {
  const failures = [new Error('ECONNREFUSED'), 7]
  const { sent, waiting, reports, start } = worldOf(({ seq }) => failures.shift() ?? seq)
  reports.tasks([{ ...TASK, taskId: 't-1' }])
  const heartbeats = start()
  await settled()
  reports.tasks([{ ...TASK, taskId: 't-1', status: 'completed' }])
  waiting.shift()?.work()
  await settled()
  waiting.shift()?.work()
  await settled()
  t.match(sent, [
    { seq: 1, tasks: [{ status: 'running' }] },
    { seq: 2, tasks: [{ status: 'completed' }] },
    { seq: 3, tasks: [{ status: 'completed' }] },
  ])
  t.equal(reports.stats().waitingTasks, 0)
  t.match(heartbeats.stats(), { messages: { taken: 1, failed: 2, refused: 0 } })
})

const ENROLLED = JSON.stringify({
  credential: 'c',
  validForMs: 60_000,
  policyKeys: [{ keyId: '0'.repeat(16), publicKey: '' }],
})

t.test('a message that will never be taken does not hold up what comes behind it', async (t) => {
  let refusing = true
  const seen: string[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    seen.push(String(request.url))
    if (request.url === '/sidecar/v1/enrol') response.end(ENROLLED)
    else if (refusing) response.writeHead(400).end('{}')
    else response.end(JSON.stringify({ seq: JSON.parse(body).seq }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  const tokenFile = t.testdir({ token: 'token' })
  const clock = { nowMs: () => 0, monotonicMs: () => 0 }
  const client = createControlPlaneClient({ url, tokenFile: `${tokenFile}/token`, instanceId: BOOT, clock })
  t.teardown(() => client.close())
  const { reports, waiting } = worldOf()
  const timers: Timers = {
    after: (ms, work) => {
      waiting.push({ ms, work })
      return () => {}
    },
  }
  reports.tasks([{ ...TASK, taskId: 't-1' }])
  const log: unknown[] = []
  const heartbeats = createHeartbeats({
    reports,
    client,
    bootId: BOOT,
    figures: () => FIGURES,
    timers,
    random: () => 0,
    log: { ...SILENT, error: (_: string, fields?: unknown) => log.push(fields) },
  })
  await until('refused', () => (heartbeats.stats().messages.refused === 1 ? true : null))
  t.match(log, [{ tasks: 1, agents: 0 }])
  t.equal(reports.stats().waitingTasks, 0)
  refusing = false
  await until('a pause', () => waiting[0] ?? null)
  waiting.shift()?.work()
  await until('taken', () => (heartbeats.stats().messages.taken === 1 ? true : null))
  t.same(seen, ['/sidecar/v1/enrol', '/sidecar/v1/heartbeat', '/sidecar/v1/heartbeat'], 'and it enrols once')
})

t.test(
  'at the end what is left is told at once; a control plane that is away or says nothing does not hold it up',
  async (t) => {
    const { sent, reports, start } = worldOf()
    const heartbeats = start()
    await settled()
    reports.tasks([{ ...TASK, taskId: 'last' }])
    await heartbeats.drain(1_000)
    t.match(sent.at(-1), { tasks: [{ taskId: 'last' }] })

    const away = worldOf(() => new Error('ECONNREFUSED'))
    const trying = away.start()
    await settled()
    await trying.drain(1_000)
    t.ok(away.sent.length >= 1)

    const due: (() => void)[] = []
    const timers: Timers = {
      after: (_, work) => {
        due.push(work)
        return () => {}
      },
    }
    const mute = createHeartbeats({
      reports,
      client: { sendHeartbeat: () => new Promise(() => {}) },
      bootId: BOOT,
      figures: () => FIGURES,
      timers,
      random: () => 0,
      log: SILENT,
    })
    await settled()
    const ended = mute.drain(1_000)
    for (const work of due) work()
    await ended
  },
)
