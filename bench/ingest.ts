/**
 * `npm run bench:ingest`: how many events a second a control plane stores, through HTTP, on its embedded PostgreSQL, with
 * the load generator on the same machine. Every event is counted in the end, and its cost: a run that lost one fails.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { call, endPlane, type Plane, percentile, startPlane } from './plane.ts'

const USAGE = `npm run bench:ingest -- [options]
  --seconds N   how long events are sent (20)
  --senders N   sidecars that send at once (8)
  --batch N     events in a batch, at most 1000 (500)
  --json FILE   the figures as JSON
`
const COST_NANO = 24_975
const WARM_UP_MS = 3_000

interface Options {
  readonly seconds: number
  readonly senders: number
  readonly batch: number
  readonly jsonFile: string | null
}

/** What the run came to; times in milliseconds. */
interface Figures {
  readonly eventsPerSecond: number
  readonly events: number
  readonly seconds: number
  readonly senders: number
  readonly batch: number
  readonly bytesPerEvent: number
  readonly batchMsP50: number
  readonly batchMsP99: number
  readonly cores: number
  readonly cpu: string
  readonly node: string
}

function readOptions(words: readonly string[]): Options | null {
  const { values } = parseArgs({
    args: [...words],
    options: {
      seconds: { type: 'string', default: '20' },
      senders: { type: 'string', default: '8' },
      batch: { type: 'string', default: '500' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const [seconds, senders, batch] = [values.seconds, values.senders, values.batch].map(Number)
  if (values.help || !seconds || !senders || !batch || batch > 1_000) return null
  return { seconds, senders, batch, jsonFile: values.json ?? null }
}

/** The event of an ordinary chat request; what differs between two is left open. */
function templateOf(instanceId: string, agent: string): (eventId: string, intentAt: string) => string {
  const [id, at] = ['@id@', '@at@']
  const usage = { inputUncached: 333, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, outputVisible: 120 }
  const others = {
    outputReasoning: 0,
    audioInput: 0,
    audioOutput: 0,
    imageInput: 0,
    imageOutput: 0,
    hostedToolCalls: 0,
  }
  const event = {
    eventId: id,
    intentAt: at,
    instanceId,
    principal: { agent, workflow: 'reports', session: 's-1', task: null, tags: { team: 'search' } },
    operation: 'chat.completions',
    method: 'POST',
    path: '/openai/v1/chat/completions',
    streamed: true,
    outcome: 'completed',
    code: null,
    clientStatus: 200,
    policyRevision: '3a1a2748ac04428318dd363b10c2d2f089e047e4b2f5920478b2b0271621159f',
    attempts: [
      {
        provider: 'openai',
        requestedModel: 'gpt-4.1-mini',
        responseModel: 'gpt-4.1-mini-2025-04-14',
        responseId: 'chatcmpl-DfN3yS8bV2TqJw0aRkzL5pXc7mEuH',
        status: 200,
        precision: 'exact',
        reason: null,
        usage: { ...usage, ...others },
        rawUsage: { prompt_tokens: 333, completion_tokens: 120, total_tokens: 453 },
        serviceTier: 'standard',
        rateCardVersion: '2026-11-10.2',
        costNanoUsd: String(COST_NANO),
        costPicoUsd: { inputUncached: '13320000', outputVisible: '11655000' },
        chargedNanoUsd: String(COST_NANO),
        boundNanoUsd: '90000',
      },
    ],
    findings: [],
    charges: [
      {
        budgetUid: 'Budget/each-agent-daily',
        subject: agent,
        periodId: '2026-11-24',
        generation: 1,
        nanoUsd: String(COST_NANO),
      },
      {
        budgetUid: 'Budget/everyone-monthly',
        subject: '*',
        periodId: '2026-11',
        generation: 1,
        nanoUsd: String(COST_NANO),
      },
    ],
    clampedOutputTokens: null,
    durationMs: 812,
    upstreamFirstByteMs: 145,
  }
  const [head = '', middle = '', tail = ''] = JSON.stringify(event).split(/@id@|@at@/)
  return (eventId, intentAt) => `${head}${eventId}${middle}${intentAt}${tail}`
}

/** One sidecar that sends one batch after the other until it is told to end. */
async function startSender(plane: Plane, token: string, at: number, { batch }: Options) {
  const instanceId = randomUUID()
  const asked = JSON.stringify({ instanceId })
  const { credential } = await call<{ readonly credential: string }>(`${plane.url}/sidecar/v1/enrol`, token, asked)
  const template = templateOf(instanceId, `agent-${at}`)
  const prefix = randomUUID().slice(0, 24)
  const batchMs: number[] = []
  const state = { sent: 0, bytes: 0, running: true, batchMs }
  const run = async (): Promise<void> => {
    while (state.running) {
      const now = new Date().toISOString()
      const parts: string[] = []
      for (let index = 1; index <= batch; index++) {
        const seq = state.sent + index
        parts.push(`{"seq":${seq},"event":${template(prefix + seq.toString(16).padStart(12, '0'), now)}}`)
      }
      const body = `{"events":[${parts.join()}]}`
      const begun = performance.now()
      const answer = await call<{ readonly stored: number }>(`${plane.url}/sidecar/v1/events`, credential, body)
      if (answer.stored !== batch) throw new Error(`${answer.stored} of ${batch} were stored`)
      state.batchMs.push(performance.now() - begun)
      state.sent += batch
      state.bytes = body.length / batch
    }
  }
  return { state, done: run() }
}

async function measure(plane: Plane, token: string, options: Options): Promise<Figures> {
  const starts = Array.from({ length: options.senders }, (_, at) => startSender(plane, token, at, options))
  const senders = await Promise.all(starts)
  const sent = (): number => senders.reduce((sum, { state }) => sum + state.sent, 0)
  const running = Promise.all(senders.map(({ done }) => done))
  const pause = (ms: number) => Promise.race([running, new Promise((resolve) => setTimeout(resolve, ms))])
  await pause(WARM_UP_MS)
  for (const { state } of senders) state.batchMs.length = 0
  const [before, begun] = [sent(), performance.now()]
  await pause(options.seconds * 1_000)
  const [after, ended] = [sent(), performance.now()]
  for (const { state } of senders) state.running = false
  await running

  const sums = await call<{ readonly requests: number; readonly costNanoUsd: string }>(
    `${plane.url}/api/v1/usage/summary`,
    plane.adminKey,
  )
  if (sums.requests !== sent() || sums.costNanoUsd !== String(sent() * COST_NANO))
    throw new Error(`${sent()} events were acknowledged, and the summary has ${JSON.stringify(sums)}`)
  const batchMs = senders.flatMap(({ state }) => state.batchMs).sort((a, b) => a - b)
  const seconds = (ended - begun) / 1_000
  return {
    eventsPerSecond: Math.round((after - before) / seconds),
    events: after - before,
    seconds: Math.round(seconds * 10) / 10,
    senders: options.senders,
    batch: options.batch,
    bytesPerEvent: Math.round(senders[0]?.state.bytes ?? 0),
    batchMsP50: percentile(batchMs, 0.5),
    batchMsP99: percentile(batchMs, 0.99),
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    node: process.version,
  }
}

async function main(options: Options): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'acc-bench-'))
  let plane: Plane | null = null
  try {
    const tokenFile = join(folder, 'token')
    plane = await startPlane(join(folder, 'data'), tokenFile)
    const figures = await measure(plane, readFileSync(tokenFile, 'utf8').trim(), options)
    process.stdout.write(
      `${figures.eventsPerSecond} events a second (${figures.events} in ${figures.seconds} s, ${figures.bytesPerEvent} bytes each), ` +
        `${figures.senders} senders, batches of ${figures.batch}: ${figures.batchMsP50} ms, p99 ${figures.batchMsP99} ms; ` +
        `${figures.cores} cores, load generator included. Every event is in the summary, to the nano.\n`,
    )
    if (options.jsonFile !== null) writeFileSync(options.jsonFile, `${JSON.stringify(figures, null, 2)}\n`)
  } finally {
    if (plane !== null) await endPlane(plane)
    rmSync(folder, { recursive: true, force: true })
  }
}

const options = readOptions(process.argv.slice(2))
if (options === null) {
  process.stderr.write(USAGE)
  process.exitCode = 2
} else await main(options)
