import type {
  ChannelAnswer,
  ChannelAsk,
  Commands,
  channelAnswerSchema,
  SignedBundle,
  ThreatIntelNews,
} from '@agentcostcontrol/contract'
import * as z from 'zod'
import type { Caller } from '../auth/service.ts'
import type { Wakes, WakeTopic } from '../db/wakes.ts'
import { ApiError } from '../errors.ts'
import { errorFields, type Logger } from '../log.ts'
import { coalesce } from './coalesce.ts'
import type { Register } from './register.ts'

/** The answer to a poll, as JSON. */
export interface PollAnswer {
  /** Shared by all who get the same: a bundle may have two megabytes. */
  readonly body: Buffer
  /** Whether the connection is to be closed behind it: this replica stops. */
  readonly last: boolean
}

/** The control plane's end of the downward channel. */
export interface Channel {
  /**
   * Answers at once if something is newer than the sidecar has, else when a wake says so, else with nothing new after
   * the time that it waits.
   * @param gone aborted when the sidecar goes, which ends its poll
   */
  poll(caller: Caller & { readonly kind: 'sidecar' }, ask: ChannelAsk, gone: AbortSignal): Promise<PollAnswer>
  /** How many polls are held. */
  readonly polls: number
  /** Answers all polls, so that a stop does not wait for them; takes none from then on. */
  close(): void
}

/** Recalls of leases that a sidecar has not followed yet; `null` if there are none. */
export type RecallsSince = (orgId: string, instanceId: string, version: number) => Promise<ChannelAnswer['leases']>

/** What people said that sidecars follow, all of it. */
export interface CommandSource {
  version(orgId: string): Promise<number>
  current(orgId: string): Promise<Commands>
}

/** Where the channel gets what it carries. */
export interface ChannelOptions {
  readonly policies: {
    newerThan(orgId: string, generation: number): Promise<SignedBundle | null>
    generation(orgId: string): Promise<number>
  }
  readonly recallsSince: RecallsSince
  readonly commands: CommandSource
  readonly intel: { news(orgId: string): Promise<ThreatIntelNews> }
  readonly wakes: Pick<Wakes, 'subscribe'>
  readonly register: Pick<Register, 'hear'>
  readonly log: Logger
}

/** Most polls that one replica holds. */
const POLLS_MAX = 10_000
/** Bundles that are kept for sidecars that are yet to come, of some megabytes each at most. */
const BUNDLES_MAX = 8

/** A poll that is held. */
interface Poll {
  readonly instanceId: string
  /** What it need not be told: what it runs, or has refused. */
  readonly policy: number
  readonly leases: number
  readonly commands: number
  /** `undefined` of a sidecar that wants none. */
  readonly intel: string | null | undefined
  end(answer: PollAnswer): void
}

/** The polls of one organisation. */
interface Organisation {
  readonly polls: Map<string, Poll>
  /** The newest bundle that somebody needed, as an answer. */
  bundle: { readonly generation: number; readonly answer: PollAnswer } | null
  readonly look: Readonly<Record<WakeTopic, () => Promise<void>>>
}

/** Threat intelligence stands in it where there is news of it alone: sidecars of before know no such member. */
const answerOf = (news: Partial<ChannelAnswer>): PollAnswer => {
  const answer: z.input<typeof channelAnswerSchema> = { policy: null, leases: null, commands: null, ...news }
  return { body: Buffer.from(JSON.stringify(answer)), last: false }
}
const NOTHING = answerOf({})
const GOODBYE: PollAnswer = { ...NOTHING, last: true }

const generationOf = ({ manifest }: SignedBundle): number =>
  z.object({ generation: z.int() }).parse(JSON.parse(manifest)).generation

/** Makes the channel. */
export function createChannel(options: ChannelOptions): Channel {
  const { policies, recallsSince, commands, intel, register, log } = options
  /** Those with polls or a bundle; the one that asked longest ago first. */
  const organisations = new Map<string, Organisation>()
  let held = 0
  let closed = false

  async function lookForPolicy(orgId: string, org: Organisation): Promise<void> {
    const generation = await policies.generation(orgId)
    const behind = (): readonly Poll[] => [...org.polls.values()].filter(({ policy }) => policy < generation)
    if (behind().length === 0) return
    if ((org.bundle?.generation ?? 0) < generation) {
      const bundle = await policies.newerThan(orgId, generation - 1)
      if (bundle === null) return
      org.bundle = { generation: generationOf(bundle), answer: answerOf({ policy: bundle }) }
    }
    const { bundle } = org
    if (bundle !== null) for (const poll of behind()) poll.end(bundle.answer)
  }

  async function lookForLeases(orgId: string, org: Organisation): Promise<void> {
    for (const poll of [...org.polls.values()]) {
      const leases = await recallsSince(orgId, poll.instanceId, poll.leases)
      if (leases !== null) poll.end(answerOf({ leases }))
    }
  }

  /** Another version and not a newer one: a database that was restored from a backup may have an older one. */
  async function lookForCommands(orgId: string, org: Organisation): Promise<void> {
    if (org.polls.size === 0) return
    const version = await commands.version(orgId)
    if (![...org.polls.values()].some((poll) => poll.commands !== version)) return
    const current = await commands.current(orgId)
    const answer = answerOf({ commands: current })
    for (const poll of [...org.polls.values()]) if (poll.commands !== current.version) poll.end(answer)
  }

  async function lookForIntel(orgId: string, org: Organisation): Promise<void> {
    const wanting = (): readonly Poll[] => [...org.polls.values()].filter((poll) => poll.intel !== undefined)
    if (wanting().length === 0) return
    const threatIntel = await intel.news(orgId)
    const answer = answerOf({ threatIntel })
    for (const poll of wanting()) if (poll.intel !== threatIntel.version) poll.end(answer)
  }

  function organisation(orgId: string): Organisation {
    const found = organisations.get(orgId)
    if (found !== undefined) {
      organisations.delete(orgId)
      organisations.set(orgId, found)
      return found
    }
    const made: Organisation = {
      polls: new Map(),
      bundle: null,
      look: {
        policy: coalesce(() => lookForPolicy(orgId, made)),
        leases: coalesce(() => lookForLeases(orgId, made)),
        commands: coalesce(() => lookForCommands(orgId, made)),
        intel: coalesce(() => lookForIntel(orgId, made)),
      },
    }
    organisations.set(orgId, made)
    return made
  }

  /** Lets go of what was asked for longest ago. */
  function tidy(): void {
    let bundles = 0
    for (const [orgId, org] of [...organisations].reverse()) {
      if (org.bundle !== null && ++bundles > BUNDLES_MAX) org.bundle = null
      if (org.bundle === null && org.polls.size === 0) organisations.delete(orgId)
    }
  }

  function wake(topic: WakeTopic, orgId: string | null): void {
    for (const [id, org] of organisations) {
      if ((orgId !== null && id !== orgId) || org.polls.size === 0) continue
      // Said again by the next wake, or by the next poll of each.
      org.look[topic]().catch((error) => log.debug('what changed could not be read', { topic, ...errorFields(error) }))
    }
  }

  const unsubscribe = options.wakes.subscribe(wake)

  async function poll(
    { orgId, instanceId }: Caller & { readonly kind: 'sidecar' },
    { versions, refused, waitMs }: ChannelAsk,
    gone: AbortSignal,
  ): Promise<PollAnswer> {
    if (closed) throw new ApiError('acc_api_unavailable', 'This replica stops: ask another one.')
    organisations.get(orgId)?.polls.get(instanceId)?.end(NOTHING)
    if (held >= POLLS_MAX) throw new ApiError('acc_api_unavailable', `This replica holds ${POLLS_MAX} polls already.`)
    const org = organisation(orgId)
    const { promise, resolve } = Promise.withResolvers<PollAnswer>()
    let timer: NodeJS.Timeout | null = null
    let over = false
    const made: Poll = {
      instanceId,
      policy: Math.max(versions.policy, refused?.generation ?? 0),
      leases: versions.leases,
      commands: versions.commands,
      intel: versions.threatIntel,
      end: (answer) => {
        if (over) return
        over = true
        held--
        if (timer !== null) clearTimeout(timer)
        org.polls.delete(instanceId)
        tidy()
        resolve(answer)
      },
    }
    held++
    org.polls.set(instanceId, made)
    gone.addEventListener('abort', () => made.end(NOTHING), { once: true })
    if (gone.aborted) made.end(NOTHING)
    register.hear(orgId, { instanceId, generation: versions.policy, refused })
    try {
      // Held before it is looked for: what changes in between is told by a wake.
      await Promise.all([org.look.commands(), org.look.policy(), org.look.leases(), org.look.intel()])
    } catch (error) {
      made.end(NOTHING)
      throw error
    }
    if (!over) timer = setTimeout(() => made.end(NOTHING), waitMs)
    return promise
  }

  return {
    poll,
    get polls() {
      return held
    },
    close: () => {
      closed = true
      unsubscribe()
      for (const { polls } of [...organisations.values()]) for (const each of [...polls.values()]) each.end(GOODBYE)
    },
  }
}
