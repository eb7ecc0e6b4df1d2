import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatUsd, nanoFromWire, nanoUsd } from '@agentcostcontrol/contract'
import { type Command, readWords } from '../support/command.ts'
import { InterruptedError, type Interruptions, interruptions } from '../support/interrupt.ts'
import { inCheckout } from '../support/paths.ts'
import { sidecarsPolicy } from '../support/policy-state.ts'
import type { Spend } from '../support/spend.ts'
import { type System, type SystemAddresses, startSystem } from '../support/system.ts'
import { spendTable } from './spend.ts'

/** `acc demo`: a few simulated agents, each with its own trouble. */
export const demo: Command = {
  name: 'demo',
  summary: 'drives a few simulated agents through a system of its own and tells what happened; ends by itself',
  help: 'Starts simulator, control plane and sidecar on free ports with policies/demo and a temporary data folder. Takes no options.',
  run: async (words) => {
    readWords(words, {})
    const signals = interruptions()
    const dataDir = mkdtempSync(join(tmpdir(), 'acc-demo-'))
    try {
      return await tell(signals, dataDir)
    } catch (error) {
      if (!(error instanceof InterruptedError)) throw error
      say('\nStopped.')
      return 130
    } finally {
      rmSync(dataDir, { recursive: true, force: true })
    }
  },
}

/** Plays the story on a system of its own, whatever the user's environment says. @throws InterruptedError */
async function tell({ asked, again }: Interruptions, dataDir: string): Promise<number> {
  say('Starting a simulated provider, a control plane and a sidecar of its own; nothing leaves this machine.\n')
  const system = await startSystem({
    listen: '127.0.0.1:0',
    adminListen: '127.0.0.1:0',
    simulatorListen: '127.0.0.1:0',
    controlPlane: { listen: '127.0.0.1:0', adminListen: '127.0.0.1:0' },
    dataDir,
    policyDir: inCheckout('policies/demo'),
    simulated: true,
    real: [],
    env: {},
    interrupted: asked,
    hurried: again,
  })
  const cut = asked.then(() => {
    throw new InterruptedError()
  })
  const story = async (): Promise<number> => {
    await sidecarsPolicy(system)
    const sent = await play(system.addresses)
    return await compare(system, sent)
  }
  try {
    return await Promise.race([story(), cut])
  } finally {
    await system.stop()
  }
}

const say = (text: string): void => void process.stdout.write(`${text}\n`)

interface Said {
  readonly status: number
  readonly message: string
}

/** One request of an agent; the answer is reduced to what the demo tells. */
async function ask(
  { sidecar }: SystemAddresses,
  agent: string,
  content: string,
  extra: Readonly<Record<string, unknown>> = {},
): Promise<Said> {
  const response = await fetch(`${sidecar}/openai/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer any-key', 'content-type': 'application/json', 'x-acc-agent': agent },
    body: JSON.stringify({ model: 'gpt-4.1-mini', messages: [{ role: 'user', content }], ...extra }),
  })
  const body = await response.text()
  if (response.ok) return { status: response.status, message: '' }
  const { error }: { readonly error: { readonly message: string } } = JSON.parse(body)
  return { status: response.status, message: error.message }
}

/** @returns how many requests were sent */
async function play(addresses: SystemAddresses): Promise<number> {
  say('1. The agent "researcher" works: ten questions at once, half of them streamed.')
  const work = await Promise.all(
    Array.from({ length: 10 }, (_, at) =>
      ask(addresses, 'researcher', `Question ${at}: what is in report ${at}?`, { stream: at % 2 === 0 }),
    ),
  )
  say(`   ${work.filter(({ status }) => status === 200).length} of 10 answered.\n`)

  say('2. The agent "looper" asks the same thing again and again.')
  let asked = 0
  for (; asked < 40; asked++) if ((await ask(addresses, 'looper', 'Is it done yet?')).status !== 200) break
  say(`   ${asked} times answered; each costs a little, and its daily budget bounds what the loop can ever cost.\n`)

  say('3. The agent "spender" asks for long answers on a dear model until its budget is spent.')
  let answered = 0
  let refusal: Said = { status: 200, message: '' }
  while (answered < 100 && refusal.status === 200) {
    refusal = await ask(addresses, 'spender', 'Write a long report.', { model: 'gpt-4.1', max_completion_tokens: 400 })
    if (refusal.status === 200) answered++
  }
  say(`   ${answered} answered, then ${refusal.status}: ${refusal.message}\n`)

  say('4. The agent "leaker" has read a key somewhere and pastes it into its prompt.')
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const key = `AKIA${Array.from({ length: 16 }, (_, at) => letters[(at * 11 + 5) % letters.length]).join('')}`
  const leak = await ask(addresses, 'leaker', `Use ${key} to list the buckets.`)
  say(`   ${leak.status}: ${leak.message} The provider never saw it.\n`)
  // Of those who were refused in the end, that request too.
  return work.length + Math.min(asked + 1, 40) + answered + 1 + 1
}

/** Sums as the control plane tells them; amounts in nano-USD, decimal. */
interface Sums {
  readonly requests: number
  readonly denied: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly costNanoUsd: string
  readonly chargedNanoUsd: string
  readonly estimatedNanoUsd: string
}

const ARRIVE_MS_MAX = 15_000

/** Tells what the control plane has of it, and holds that against the provider's own bill. @returns the exit code */
async function compare({ addresses, adminKey }: System, sent: number): Promise<number> {
  const key = readFileSync(adminKey.file, 'utf8').trim()
  const get = async <T>(path: string): Promise<T> => {
    const response = await fetch(`${addresses.controlPlane}/api/v1${path}`, {
      headers: { authorization: `Bearer ${key}` },
    })
    if (!response.ok) throw new Error(`the control plane answered ${path} with status ${response.status}`)
    return JSON.parse(await response.text())
  }
  say('The sidecar brings its events up to the control plane, which says:\n')
  const deadline = performance.now() + ARRIVE_MS_MAX
  let total = await get<Sums>('/usage/summary')
  while (total.requests < sent) {
    if (performance.now() > deadline) throw new Error(`${total.requests} of ${sent} requests reached the control plane`)
    await new Promise((resolve) => setTimeout(resolve, 50))
    total = await get<Sums>('/usage/summary')
  }
  const { rows } = await get<{ readonly rows: readonly (Sums & { readonly key: string })[] }>('/usage/agents')
  say(spendTable({ rows: rows.map((row) => ({ ...told(row), key: row.key })), total: told(total) }, 'agent'))
  await tellLog(get)
  const bill = await (await fetch(`${addresses.simulator}/_sim/bill`)).text()
  const { entries }: { readonly entries: readonly { readonly costPicoUsd: string }[] } = JSON.parse(bill)
  // The provider's bill is exact to the pico; each of our costs is rounded up to the nano once.
  const billed = entries.reduce((sum, { costPicoUsd }) => sum + (BigInt(costPicoUsd) + 999n) / 1_000n, 0n)
  const ours = nanoFromWire(total.costNanoUsd)
  say(
    `The simulated provider billed $${formatUsd(nanoUsd(billed))}; our record says $${formatUsd(ours)}${billed === ours ? ': equal to the nano-dollar.' : ': NOT EQUAL.'}`,
  )
  return billed === ours ? 0 : 1
}

/** The control plane counts what was refused among the requests. */
const told = (sums: Sums): Spend['total'] => ({ ...sums, requests: sums.requests - sums.denied, refused: sums.denied })

/** One request of each way out, out of the request log. */
async function tellLog(get: <T>(path: string) => Promise<T>): Promise<void> {
  interface Logged {
    readonly agent: string
    readonly model: string
    readonly outcome: string
    readonly code: string | null
    readonly costNanoUsd: string
  }
  say('Out of its request log:')
  for (const query of ['agent=leaker', 'agent=spender&outcome=denied', 'agent=spender&outcome=completed']) {
    const { requests } = await get<{ readonly requests: readonly Logged[] }>(`/requests?limit=1&${query}`)
    for (const { agent, model, outcome, code, costNanoUsd } of requests)
      say(
        `   ${agent.padEnd(8)}  ${outcome.padEnd(9)}  ${(code ?? model).padEnd(20)}  $${formatUsd(nanoFromWire(costNanoUsd))}`,
      )
  }
  say('')
}
