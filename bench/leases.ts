/**
 * `npm run bench:leases`: how many grants a second the ledger gives on the embedded PostgreSQL of one control plane,
 * through HTTP and at its service, to sidecars that ask for a little at a time; and what the local check of a request
 * costs that matches twenty budgets. What was granted is counted in the end: a run in which a nano is missing fails.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runningClusterUrl } from '../control-plane/db/cluster.ts'
import { openDatabase } from '../control-plane/db/database.ts'
import { createLedgerService, type LedgerService } from '../control-plane/ledger/service.ts'
import { measureLocalCheck } from './local-check.ts'
import { call, endPlane, type Plane, percentile, startPlane } from './plane.ts'

const USAGE = `npm run bench:leases -- [options]
  --seconds N    how long each case is measured (10)
  --holders N    sidecars that ask at once (8)
  --counters N   counters that all of them ask for (20)
  --json FILE    the figures as JSON
`
const LIMIT_NANO = 10n ** 18n
const NEED_NANO = 1_000n
const WARM_UP_MS = 2_000
const CONNECTIONS = 10

interface Options {
  readonly seconds: number
  readonly holders: number
  readonly counters: number
  readonly jsonFile: string | null
}

/** What one case came to; a grant is an answered item that was given money. */
interface Figures {
  readonly way: string
  readonly itemsPerMessage: number
  readonly grantsPerSecond: number
  readonly messagesPerSecond: number
  readonly messageMsP50: number
  readonly messageMsP99: number
}

type Message = Parameters<LedgerService['sync']>[1]
type Answer = Awaited<ReturnType<LedgerService['sync']>>

/** How a holder comes to the ledger. */
interface Asker {
  hello(): Promise<{ readonly generation: number; readonly ledgerEpoch: number }>
  sync(message: Message): Promise<Answer>
}

const HELLO: Parameters<LedgerService['hello']>[1] = {
  generation: 0,
  continuity: 'broken',
  ledgerEpoch: 0,
  leases: [],
}

function readOptions(words: readonly string[]): Options | null {
  const { values } = parseArgs({
    args: [...words],
    options: {
      seconds: { type: 'string', default: '10' },
      holders: { type: 'string', default: '8' },
      counters: { type: 'string', default: '20' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const [seconds, holders, counters] = [values.seconds, values.holders, values.counters].map(Number)
  if (values.help || !seconds || !holders || !counters) return null
  return { seconds, holders, counters, jsonFile: values.json ?? null }
}

async function askerOverHttp({ url }: Plane, token: string): Promise<Asker> {
  const asked = JSON.stringify({ instanceId: randomUUID() })
  const { credential } = await call<{ readonly credential: string }>(`${url}/sidecar/v1/enrol`, token, asked)
  return {
    hello: () => call(`${url}/sidecar/v1/leases/hello`, credential, JSON.stringify(HELLO)),
    sync: (message) => call(`${url}/sidecar/v1/leases/sync`, credential, JSON.stringify(message)),
  }
}

function askerOf(ledger: LedgerService, orgId: string): Asker {
  const caller = { kind: 'sidecar', orgId, keyId: '', instanceId: randomUUID() } as const
  return { hello: () => ledger.hello(caller, HELLO), sync: (message) => ledger.sync(caller, message) }
}

/** A holder that spends what it is given, and asks for as much again, until it is told to end. */
async function startHolder(asker: Asker, at: number, itemsPerMessage: number, counters: number) {
  const { generation, ledgerEpoch } = await asker.hello()
  const granted = Array.from({ length: counters }, () => 0n)
  const state = { running: true, grants: 0, messageMs: [] as number[] }
  let next = at
  const run = async (): Promise<void> => {
    while (state.running) {
      const asked = Array.from({ length: itemsPerMessage }, () => next++ % counters)
      const begun = performance.now()
      const need = NEED_NANO.toString()
      const answer = await asker.sync({
        generation,
        ledgerEpoch,
        items: asked.map((counter) => ({
          counter: { budgetUid: `Budget/bench-${counter}`, subject: '*', periodId: 'total' },
          granted: String(granted[counter]),
          returned: '0',
          charged: String(granted[counter]),
          uncharged: '0',
          least: need,
          need,
          want: need,
          close: false,
        })),
      })
      state.messageMs.push(performance.now() - begun)
      for (const [index, counter] of asked.entries()) {
        const now = BigInt(answer.items[index]?.granted ?? 0)
        if (now > (granted[counter] ?? 0n)) state.grants++
        granted[counter] = now
      }
    }
  }
  return { state, done: run(), granted: () => granted.reduce((sum, each) => sum + each, 0n) }
}

async function measure(
  way: string,
  newAsker: () => Promise<Asker>,
  itemsPerMessage: number,
  { seconds, holders, counters }: Options,
): Promise<{ readonly figures: Figures; readonly granted: bigint }> {
  const askers = await Promise.all(Array.from({ length: holders }, newAsker))
  const all = await Promise.all(askers.map((asker, at) => startHolder(asker, at, itemsPerMessage, counters)))
  const running = Promise.all(all.map(({ done }) => done))
  const pause = (ms: number) => Promise.race([running, new Promise((resolve) => setTimeout(resolve, ms))])
  await pause(WARM_UP_MS)
  for (const { state } of all) {
    state.messageMs = []
    state.grants = 0
  }
  const begun = performance.now()
  await pause(seconds * 1_000)
  const tookS = (performance.now() - begun) / 1_000
  const messageMs = all.flatMap(({ state }) => state.messageMs).sort((a, b) => a - b)
  const grants = all.reduce((sum, { state }) => sum + state.grants, 0)
  for (const { state } of all) state.running = false
  await running
  const figures = {
    way,
    itemsPerMessage,
    grantsPerSecond: Math.round(grants / tookS),
    messagesPerSecond: Math.round(messageMs.length / tookS),
    messageMsP50: percentile(messageMs, 0.5, 1),
    messageMsP99: percentile(messageMs, 0.99, 1),
  }
  return { figures, granted: all.reduce((sum, { granted }) => sum + granted(), 0n) }
}

async function main(options: Options): Promise<void> {
  const localCheck = await measureLocalCheck()
  process.stdout.write(
    `local check, ${localCheck.budgets} budgets: p50 ${localCheck.usP50} µs, p99 ${localCheck.usP99} µs\n`,
  )
  const folder = mkdtempSync(join(tmpdir(), 'acc-bench-'))
  let plane: Plane | null = null
  try {
    const [tokenFile, dataDir] = [join(folder, 'token'), join(folder, 'data')]
    plane = await startPlane(dataDir, tokenFile)
    const cases = await measureGrants(plane, readFileSync(tokenFile, 'utf8').trim(), dataDir, options)
    const figures = {
      localCheck,
      cases,
      ...options,
      cores: availableParallelism(),
      cpu: cpus()[0]?.model ?? 'unknown',
      node: process.version,
    }
    if (options.jsonFile !== null) writeFileSync(options.jsonFile, `${JSON.stringify(figures, null, 2)}\n`)
  } finally {
    if (plane !== null) await endPlane(plane)
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measureGrants(
  plane: Plane,
  token: string,
  dataDir: string,
  options: Options,
): Promise<readonly Figures[]> {
  const url = runningClusterUrl(dataDir)
  if (url === null) throw new Error('the control plane runs without a PostgreSQL of its own')
  const database = openDatabase(url, CONNECTIONS)
  try {
    const ledger = createLedgerService({
      database,
      wakes: { announce: async () => {} },
      onVerdict: () => {},
      onEpoch: () => {},
    })
    const [installed] = await database.inNone(
      (tx) => tx<{ orgId: string }[]>`SELECT org_id AS "orgId" FROM installation`,
    )
    const orgId = installed?.orgId ?? ''
    const budgets = Array.from({ length: options.counters }, (_, at) => ({
      uid: `Budget/bench-${at}`,
      name: `bench-${at}`,
      limit: LIMIT_NANO,
      period: { spec: 'total', resets: 0 },
    }))
    await database.inOrg(orgId, (tx) => ledger.adoptBudgets(tx, orgId, budgets))
    const ways = [
      // The API holds each key to a hundred messages a second: one item in each would measure that.
      ['HTTP', () => askerOverHttp(plane, token), [options.counters]],
      ['service', async () => askerOf(ledger, orgId), [1, options.counters]],
    ] as const
    const cases: Figures[] = []
    let granted = 0n
    for (const [way, newAsker, sizes] of ways)
      for (const itemsPerMessage of sizes) {
        const done = await measure(way, newAsker, itemsPerMessage, options)
        granted += done.granted
        cases.push(done.figures)
        const { grantsPerSecond, messagesPerSecond, messageMsP50, messageMsP99 } = done.figures
        process.stdout.write(
          `${way}, ${options.holders} holders, ${options.counters} counters, ${itemsPerMessage} a message: ` +
            `${grantsPerSecond} grants a second, ${messagesPerSecond} messages; ${messageMsP50} ms, p99 ${messageMsP99} ms\n`,
        )
      }
    const { counters } = await call<{
      readonly counters: readonly { readonly settledNanoUsd: string; readonly escrowNanoUsd: string }[]
    }>(`${plane.url}/api/v1/ledger/counters?limit=1000`, plane.adminKey)
    const set = counters.reduce((sum, each) => sum + BigInt(each.settledNanoUsd) + BigInt(each.escrowNanoUsd), 0n)
    if (set !== granted) throw new Error(`${granted} nano-USD were granted, and the ledger has ${set} set aside`)
    return cases
  } finally {
    await database.close()
  }
}

const options = readOptions(process.argv.slice(2))
if (options === null) {
  process.stderr.write(USAGE)
  process.exitCode = 2
} else await main(options)
