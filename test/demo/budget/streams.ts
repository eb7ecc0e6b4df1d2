import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { randomFrom } from '../../../simulator/text.ts'
import { asksOf, type StreamAsk } from './asks.ts'

/** What came of the streams. */
export interface StreamCounts {
  /** Answered, or left by their clients in the middle. */
  served: number
  /** Answered with a refusal. */
  refused: number
  /** Ended with a process or a connection. */
  broken: number
}

/** Clients of one sidecar: so many streams at a time, until they are stopped. */
export interface Streams {
  /** Sends to this address from now on; `null` while there is none. */
  aim(url: string | null): void
  /** From now on every stream is sent as fast as it can be. */
  hurry(): void
  readonly counts: Readonly<StreamCounts>
  /** Streams that are being answered. */
  readonly open: number
  /** Streams that were answered or refused, by the code of the refusal, since the last call. */
  lately(): ReadonlyMap<string, number>
  /** Lets every client finish what it is doing. */
  stop(): Promise<void>
}

/** Who sends. */
export interface StreamsOptions {
  /** Begins the name of every request. */
  readonly name: string
  readonly clients: number
  readonly seed: number
  readonly seconds: number
}

/** A client that is refused asks again after about so long, and twice as long each time that it is refused again. */
const REFUSED_PAUSE_MS = { least: 250, most: 2_000 }
const BROKEN_PAUSE_MS = 100
/** What {@link Streams.lately} calls a stream that was answered. */
const SERVED = 'served'

/** Starts the clients. */
export function startStreams({ name, clients, seed, seconds }: StreamsOptions): Streams {
  const counts: StreamCounts = { served: 0, refused: 0, broken: 0 }
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const open = { count: 0 }
  const stopping = new AbortController()
  let outcomes = new Map<string, number>()
  let aimed = Promise.withResolvers<void>()
  let target: string | null = null
  let hurried = false

  async function nextTarget(): Promise<string | null> {
    while (target === null && !stopping.signal.aborted) await aimed.promise
    return stopping.signal.aborted ? null : target
  }

  const rest = (ms: number): Promise<void> => pause(ms, undefined, { signal: stopping.signal }).catch(() => {})

  async function client(own: number): Promise<void> {
    const nextAsk = asksOf(seed + own, seconds)
    const random = randomFrom(seed + own)
    let pauseMs: number = REFUSED_PAUSE_MS.least
    for (let count = 0; ; count++) {
      const url = await nextTarget()
      if (url === null) return
      try {
        const outcome = await send(agent, url, nextAsk(`${name}-${own}-${count}`, hurried), open)
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
        counts[outcome === SERVED ? 'served' : 'refused']++
        if (outcome !== SERVED) await rest(pauseMs * (0.5 + random()))
        pauseMs = outcome === SERVED ? REFUSED_PAUSE_MS.least : Math.min(pauseMs * 2, REFUSED_PAUSE_MS.most)
      } catch {
        counts.broken++
        await rest(BROKEN_PAUSE_MS)
      }
    }
  }

  const all = Promise.all(Array.from({ length: clients }, (_, own) => client(own)))
  return {
    aim: (url) => {
      target = url
      aimed.resolve()
      aimed = Promise.withResolvers()
    },
    hurry: () => {
      hurried = true
    },
    counts,
    get open() {
      return open.count
    },
    lately: () => {
      const seen = outcomes
      outcomes = new Map()
      return seen
    },
    stop: async () => {
      stopping.abort()
      aimed.resolve()
      await all
      agent.destroy()
    },
  }
}

/** Sends one stream and reads it. @returns {@link SERVED} or the code of the refusal @throws if it breaks off */
async function send(
  agent: Agent,
  url: string,
  { headers, body, leavesAfterMs }: StreamAsk,
  open: { count: number },
): Promise<string> {
  const sent = request(`${url}/v1/chat/completions`, {
    method: 'POST',
    agent,
    headers: { ...headers, 'content-length': Buffer.byteLength(body) },
  })
  sent.end(body)
  const [response]: IncomingMessage[] = await once(sent, 'response')
  if (response?.statusCode !== 200) {
    response?.resume()
    return String(response?.headers['x-acc-code'] ?? response?.statusCode)
  }
  let hasLeft = false
  const leave = (): void => {
    hasLeft = true
    sent.destroy()
  }
  const leaving = leavesAfterMs === null ? null : setTimeout(leave, leavesAfterMs)
  open.count++
  try {
    if (!(await textOf(response)).endsWith('data: [DONE]\n\n')) throw new Error('half a stream')
  } catch (error) {
    if (!hasLeft) throw error
  } finally {
    open.count--
    if (leaving !== null) clearTimeout(leaving)
  }
  return SERVED
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = ''
  response.setEncoding('utf8')
  for await (const part of response) text += part
  return text
}
