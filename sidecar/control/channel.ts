import type { ChannelAnswer, ChannelAsk } from '@agentcostcontrol/contract'
import type { Clock, Timers } from '../clock.ts'
import { errorFields, type Logger } from '../log.ts'
import type { ControlPlaneClient } from './client.ts'
import { backoffMs, createPauses } from './pause.ts'

/** The sidecar's end of the downward channel: one poll at a time, and another one at once. */
export interface Channel {
  /** False from a poll that failed on, until one is answered. */
  readonly isConnected: boolean
  stats(): ChannelStats
  close(): Promise<void>
}

/** For the metrics. */
export interface ChannelStats {
  /** Polls that were answered. */
  readonly polls: number
  readonly failures: number
}

/** What the channel brings, and to whom. */
export interface ChannelOptions {
  readonly client: Pick<ControlPlaneClient, 'poll'>
  readonly policies: {
    readonly generation: number
    readonly refused: ChannelAsk['refused']
    take(bundle: NonNullable<ChannelAnswer['policy']>): Promise<void>
    confirm(): void
  }
  readonly leases: {
    /** Of the last recall that was followed; 0 for none. */
    readonly version: number
    take(leases: NonNullable<ChannelAnswer['leases']>): void
  }
  readonly commands: {
    /** Of the list of agents that is followed; 0 for none. */
    readonly version: number
    take(commands: NonNullable<ChannelAnswer['commands']>): Promise<void>
  }
  readonly intel: {
    /** Of the index that was told last; `null` for none. */
    readonly version: string | null
    take(news: NonNullable<ChannelAnswer['threatIntel']>): void
  }
  /** Silence of the control plane that must not be reached while it is there. */
  readonly staleAfterMs: number
  /** Told of each answer. */
  onAnswer(): void
  readonly clock: Clock
  readonly timers: Timers
  /** 0 to 1, for jitter. */
  random(): number
  readonly log: Logger
}

/** Shorter than what proxies in between take for a dead connection. */
const WAIT_MS_MAX = 25_000
/** Quick at first: what changes meanwhile has two seconds to arrive. */
const BACKOFF = { firstMs: 100, mostMs: 5_000 } as const

/** Starts to poll. */
export function createChannel(options: ChannelOptions): Channel {
  const { client, policies, leases, commands, intel, onAnswer, clock, timers, random, log } = options
  const ending = new AbortController()
  const waitMsMax = Math.min(WAIT_MS_MAX, Math.floor(options.staleAfterMs / 2))
  /** Whether the control plane answered the last time: if not, it is asked for a word at once before it is waited for. */
  let answers = false
  let polls = 0
  let failures = 0
  let failuresInARow = 0

  const pauses = createPauses(timers)

  const has = (): Omit<ChannelAsk, 'waitMs'> => ({
    versions: {
      policy: policies.generation,
      leases: leases.version,
      commands: commands.version,
      threatIntel: intel.version,
    },
    refused: policies.refused,
  })

  async function follow({ policy, leases: recalled, commands: told, threatIntel }: ChannelAnswer): Promise<void> {
    // Recalls first: somebody waits for the money. Then who is stopped, before a policy is read.
    if (recalled !== null) leases.take(recalled)
    if (told !== null) await commands.take(told)
    if (threatIntel !== null) intel.take(threatIntel)
    if (policy === null) policies.confirm()
    else await policies.take(policy)
  }

  async function poll(): Promise<void> {
    const before = has()
    const askedMs = clock.monotonicMs()
    const waitMs = answers ? waitMsMax : 0
    const answer = await client.poll({ ...before, waitMs }, ending.signal)
    polls++
    answers = true
    onAnswer()
    await follow(answer)
    const nothing = [answer.policy, answer.leases, answer.commands, answer.threatIntel].every((news) => news === null)
    const early = nothing && clock.monotonicMs() - askedMs < waitMs / 2
    // Another process polls under this name, or the same would come again: neither may become a storm.
    if (early || (!nothing && JSON.stringify(has()) === JSON.stringify(before)))
      throw new Error(early ? 'a poll ended before its time' : 'what came changed nothing')
  }

  function failed(error: unknown): void {
    failures++
    failuresInARow++
    answers = false
    const tell = failuresInARow === 1 ? log.warn : log.debug
    tell('the channel of the control plane is interrupted', errorFields(error))
  }

  async function run(): Promise<void> {
    while (!ending.signal.aborted) {
      try {
        await poll()
        if (failuresInARow > 0) log.info('the channel of the control plane is back', { failures: failuresInARow })
        failuresInARow = 0
      } catch (error) {
        if (ending.signal.aborted) return
        failed(error)
        await pauses.wait(backoffMs(BACKOFF, failuresInARow, random()))
      }
    }
  }

  const running = run()
  return {
    get isConnected() {
      return failuresInARow === 0
    },
    stats: () => ({ polls, failures }),
    close: async () => {
      ending.abort()
      pauses.hurry()
      await running
    },
  }
}
