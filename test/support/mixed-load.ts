import { type Ask, readUntil, send } from './ask.ts'
import type { Scope } from './scope.ts'

/** Clients of several agents that send what real ones do, without pause. */
export interface MixedLoad {
  /** Sends to this sidecar from now on; `null` while there is none. */
  aim(url: string | null): void
  /** What came of the requests so far. */
  readonly results: Readonly<Record<'answered' | 'left' | 'refused' | 'broken', number>>
  /** Texts of answers that were neither whole nor a refusal, for the failure's message. */
  readonly surprises: readonly string[]
  /** Lets every client finish what it is doing. */
  stop(): Promise<void>
}

const AGENTS = ['planner', 'coder', 'critic', 'clerk']

/** A kind of request, and the moment in which its client leaves; `null` for one that stays. */
interface Kind {
  readonly ask: Ask
  readonly leaves: 'before the answer' | 'in the middle' | null
}

/** What the clients send, in turn; short answers, since many of them make the load. */
const KINDS: readonly Kind[] = [
  { ask: {}, leaves: null },
  { ask: { stream: true, sim: { 'output-tokens': 30 } }, leaves: null },
  { ask: { stream: true, sim: { 'output-tokens': 40, 'chunk-delay-ms': 1 } }, leaves: 'in the middle' },
  { ask: { model: 'gpt-5-mini' }, leaves: null },
  { ask: { stream: true, sim: { 'output-tokens': 20, encoding: 'gzip' } }, leaves: null },
  { ask: { sim: { fault: 'hang' } }, leaves: 'before the answer' },
  { ask: { stream: true, model: 'gpt-5-mini', sim: { 'chunk-delay-ms': 1 } }, leaves: 'in the middle' },
  { ask: { sim: { fault: 'status-500' } }, leaves: null },
  { ask: { stream: true, sim: { fault: 'no-usage' } }, leaves: null },
  { ask: { stream: true, sim: { fault: 'cut-mid-stream' } }, leaves: null },
]

/** Requests that are answered whole, whatever else happens. */
export const WHOLE_KINDS: readonly Kind[] = KINDS.filter(
  ({ ask, leaves }) => leaves === null && ask.sim?.fault === undefined,
)

/** Starts the clients; each request is named by `x-acc-task` and `x-sim-tag`. They end with the scope at the latest. */
export function mixedLoadFor(scope: Scope, clients: number, kinds: readonly Kind[] = KINDS): MixedLoad {
  const results = { answered: 0, left: 0, refused: 0, broken: 0 }
  const surprises: string[] = []
  let running = true
  let sent = 0
  let target: string | null = null
  let aimed: (() => void)[] = []

  const nextTarget = async (): Promise<string | null> => {
    while (target === null && running) await new Promise<void>((resolve) => aimed.push(resolve))
    return target
  }

  async function client(own: number): Promise<void> {
    while (running) {
      const url = await nextTarget()
      if (url === null) return
      const kind = kinds[sent % kinds.length]
      const name = `${own}-${sent++}`
      if (!kind) return
      try {
        results[await one(url, kind, name, own)]++
      } catch (error) {
        results.broken++
        surprises.push(`${name}: ${error instanceof Error ? error.message : String(error)}`)
        // The sidecar is gone: the next one is waited for.
        if (target === url && isRefused(error)) target = null
      }
    }
  }

  async function one(url: string, { ask, leaves }: Kind, name: string, own: number): Promise<keyof typeof results> {
    const leaving = new AbortController()
    const response = send(url, {
      ...ask,
      // A small bound, so that money lasts for many that are charged at it.
      body: { max_completion_tokens: 100 },
      prompt: `task ${name}`,
      headers: { 'x-acc-agent': AGENTS[own % AGENTS.length] ?? '', 'x-acc-task': name },
      sim: { ...ask.sim, tag: name },
      signal: leaving.signal,
    })
    if (leaves === 'before the answer') {
      setTimeout(() => leaving.abort(), 5 + (own % 4) * 5)
      return await response.then(
        (early) => (early.status === 503 ? 'refused' : 'answered'),
        (error: unknown) => {
          if (leaving.signal.aborted) return 'left'
          throw error
        },
      )
    }
    const answer = await response
    if (leaves === 'in the middle' && answer.ok) {
      await (await readUntil(answer, (text) => text.split('data: ').length > 6 + own)).leave()
      return 'left'
    }
    const text = await answer.text()
    if (answer.status === 503 || answer.status === 429) return 'refused'
    if (ask.stream && answer.ok && !text.includes('[DONE]')) throw new Error(`half a stream: ${text.slice(-80)}`)
    return 'answered'
  }

  const all = Promise.all(Array.from({ length: clients }, (_, own) => client(own)))
  const stop = async (): Promise<void> => {
    running = false
    for (const wake of aimed) wake()
    aimed = []
    await all
  }
  scope.teardown(stop)
  return {
    aim: (url) => {
      target = url
      if (url === null) return
      for (const wake of aimed) wake()
      aimed = []
    },
    results,
    surprises,
    stop,
  }
}

const isRefused = (error: unknown): boolean =>
  error instanceof Error && error.cause instanceof Error && 'code' in error.cause && error.cause.code === 'ECONNREFUSED'
