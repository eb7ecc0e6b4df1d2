import { readFile } from 'node:fs/promises'
import {
  type ChannelAnswer,
  type ChannelAsk,
  channelAnswerSchema,
  type EnrolmentAnswer,
  type EventBatchAnswer,
  enrolmentAnswerSchema,
  eventBatchAnswerSchema,
  LEASE_BYTES_MAX,
  type LeaseHello,
  type LeaseSyncAnswer,
  type LeaseSyncMessage,
  type LeaseWelcome,
  leaseSyncAnswerSchema,
  leaseWelcomeSchema,
  type PolicyKey,
  type SidecarHeartbeatAnswer,
  sidecarHeartbeatAnswerSchema,
  THREAT_INDEX_BYTES_MAX,
  type ToolPinBatchAnswer,
  toolPinBatchAnswerSchema,
} from '@agentcostcontrol/contract'
import { Pool } from 'undici'
import type { Clock } from '../clock.ts'

/** The control plane as a sidecar calls it: one enrolment for all calls, and a connection for those that wait. */
export interface ControlPlaneClient {
  /** Sends a batch. @throws unless all of it is stored or refused by name */
  sendEvents(json: string): Promise<EventBatchAnswer>
  /** Begins as a holder of leases. @throws ControlPlaneError */
  leaseHello(hello: LeaseHello): Promise<LeaseWelcome>
  /** Tells of leases and asks for more. @throws ControlPlaneError */
  leaseSync(message: LeaseSyncMessage): Promise<LeaseSyncAnswer>
  /** Tells how the sidecar and its agents are. @throws unless all of it is stored */
  sendHeartbeat(json: string): Promise<SidecarHeartbeatAnswer>
  /** Tells what was seen of tools. @throws unless all of it is stored */
  sendToolPins(json: string): Promise<ToolPinBatchAnswer>
  /** Polls the downward channel. @throws if there is no answer in time, or another one than a poll's */
  poll(ask: ChannelAsk, signal: AbortSignal): Promise<ChannelAnswer>
  /** Fetches an index of threat intelligence, piece by piece. @throws ControlPlaneError, also where there is none of this name */
  threatIndex(version: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>
  /** The keys that policies are signed with. */
  readonly policyKeys: {
    /** As the last enrolment told them; none before. */
    known(): readonly PolicyKey[]
    /** Enrols anew. @throws if that is refused */
    fresh(): Promise<readonly PolicyKey[]>
  }
  close(): Promise<void>
}

/** What the client needs. */
export interface ControlPlaneClientOptions {
  readonly url: string
  /** Holds a token that enrols this sidecar; read again for each credential. */
  readonly tokenFile: string
  readonly instanceId: string
  readonly clock: Clock
}

/** The control plane said something else than yes. */
export class ControlPlaneError extends Error {
  override readonly name = 'ControlPlaneError'
  readonly status: number
  constructor(path: string, status: number) {
    super(`the control plane answered ${path} with status ${status}`)
    this.status = status
  }
}

/** Whether the control plane read what was sent and will never take it. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof ControlPlaneError && (error.status === 400 || error.status === 413)

const TIMEOUT_MS = 10_000
/** Whoever waits for a lease waits a second; the next message is not held up for much longer. */
const LEASE_TIMEOUT_MS = 2_000
const ANSWER_BYTES_MAX = 4 * 1024 * 1024
/** A bundle is JSON within JSON. */
const POLL_BYTES_MAX = 16 * 1024 * 1024
/** Beyond the time that a poll waits it may take so long, however slowly it comes. */
const POLL_MS_MAX = 60_000
/** An index may take so long, however slowly it comes. */
const INDEX_MS_MAX = 120_000
/** A credential is renewed when this part of its time is over. */
const RENEWED_AFTER = 0.8

/** How a call goes out. */
interface Way {
  readonly via: Pool
  readonly headersTimeout?: number
  readonly signal?: AbortSignal
}

/** Makes the client; it connects when it is used. */
export function createControlPlaneClient(options: ControlPlaneClientOptions): ControlPlaneClient {
  const { origin, pathname } = new URL(options.url)
  const base = pathname.replace(/\/+$/, '')
  const connect = (maxResponseSize: number): Pool =>
    new Pool(origin, {
      connections: 1,
      connect: { timeout: TIMEOUT_MS },
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
      maxResponseSize,
    })
  const pool = connect(ANSWER_BYTES_MAX)
  // A poll that waits must not hold up the others.
  const pollPool = connect(POLL_BYTES_MAX)
  // Requests wait for leases, and not for events that are on their way.
  const leasePool = connect(LEASE_BYTES_MAX)
  const indexPool = connect(THREAT_INDEX_BYTES_MAX)
  let policyKeys: readonly PolicyKey[] = []
  let enrolling: Promise<string> | null = null
  let credential: { readonly text: string; readonly renewAtMs: number } | null = null

  /** @param body JSON; `null` to get something */
  async function call(path: string, bearer: string, body: string | null, { via, ...limits }: Way) {
    const response = await via.request({
      method: body === null ? 'GET' : 'POST',
      path: base + path,
      headers: { authorization: `Bearer ${bearer}`, ...(body === null ? {} : { 'content-type': 'application/json' }) },
      body,
      ...limits,
    })
    if (response.statusCode === 200) return response.body
    await response.body.dump()
    throw new ControlPlaneError(path, response.statusCode)
  }

  const post = async (path: string, bearer: string, body: string, how: Way = { via: pool }): Promise<unknown> =>
    JSON.parse(await (await call(path, bearer, body, how)).text())

  async function enrol(): Promise<string> {
    const nowMs = options.clock.monotonicMs()
    const token = (await readFile(options.tokenFile, 'utf8')).trim()
    const asked = JSON.stringify({ instanceId: options.instanceId })
    const answer: EnrolmentAnswer = enrolmentAnswerSchema.parse(await post('/sidecar/v1/enrol', token, asked))
    policyKeys = answer.policyKeys
    credential = { text: answer.credential, renewAtMs: nowMs + answer.validForMs * RENEWED_AFTER }
    return answer.credential
  }

  /** One enrolment at a time: whoever needs a credential meanwhile waits for the same. */
  function enrolled(): Promise<string> | string {
    if (credential !== null && options.clock.monotonicMs() < credential.renewAtMs) return credential.text
    enrolling ??= enrol().finally(() => {
      enrolling = null
    })
    return enrolling
  }

  async function enrolledCall<T>(work: (bearer: string) => Promise<T>): Promise<T> {
    const bearer = await enrolled()
    try {
      return await work(bearer)
    } catch (error) {
      // The next try enrols again.
      if (
        error instanceof ControlPlaneError &&
        (error.status === 401 || error.status === 403) &&
        credential?.text === bearer
      )
        credential = null
      throw error
    }
  }

  const send = (path: string, json: string, how?: Way): Promise<unknown> =>
    enrolledCall((bearer) => post(path, bearer, json, how))

  return {
    sendEvents: async (json) => eventBatchAnswerSchema.parse(await send('/sidecar/v1/events', json)),
    sendHeartbeat: async (json) => sidecarHeartbeatAnswerSchema.parse(await send('/sidecar/v1/heartbeat', json)),
    sendToolPins: async (json) => toolPinBatchAnswerSchema.parse(await send('/sidecar/v1/tool-pins', json)),
    poll: async (ask, signal) => {
      const how = {
        via: pollPool,
        headersTimeout: ask.waitMs + TIMEOUT_MS,
        signal: AbortSignal.any([signal, AbortSignal.timeout(ask.waitMs + POLL_MS_MAX)]),
      }
      return channelAnswerSchema.parse(await send('/sidecar/v1/channel', JSON.stringify(ask), how))
    },
    threatIndex: (version, signal) => {
      const how = { via: indexPool, signal: AbortSignal.any([signal, AbortSignal.timeout(INDEX_MS_MAX)]) }
      return enrolledCall((bearer) => call(`/sidecar/v1/threat-intel/${version}`, bearer, null, how))
    },
    policyKeys: {
      known: () => policyKeys,
      fresh: async () => {
        credential = null
        await enrolled()
        return policyKeys
      },
    },
    leaseHello: async (hello) =>
      leaseWelcomeSchema.parse(await send('/sidecar/v1/leases/hello', JSON.stringify(hello), { via: leasePool })),
    leaseSync: async (message) => {
      const how = { via: leasePool, signal: AbortSignal.timeout(LEASE_TIMEOUT_MS) }
      return leaseSyncAnswerSchema.parse(await send('/sidecar/v1/leases/sync', JSON.stringify(message), how))
    },
    close: async () => void (await Promise.all([pool, pollPool, leasePool, indexPool].map((each) => each.destroy()))),
  }
}
