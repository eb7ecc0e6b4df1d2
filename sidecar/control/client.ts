import { readFile } from 'node:fs/promises'
import {
  type EnrolmentAnswer,
  type EventBatchAnswer,
  enrolmentAnswerSchema,
  eventBatchAnswerSchema,
  type SidecarHeartbeatAnswer,
  sidecarHeartbeatAnswerSchema,
} from '@agentcostcontrol/contract'
import { Pool } from 'undici'
import type { Clock } from '../clock.ts'

/** The control plane as a sidecar calls it. */
export interface ControlPlaneClient {
  /** Sends a batch. @throws unless all of it is stored or refused by name */
  sendEvents(json: string): Promise<EventBatchAnswer>
  /** Tells how the sidecar and its agents are. @throws unless all of it is stored */
  sendHeartbeat(json: string): Promise<SidecarHeartbeatAnswer>
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
class ControlPlaneError extends Error {
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
const ANSWER_BYTES_MAX = 4 * 1024 * 1024
/** A credential is renewed when this part of its time is over. */
const RENEWED_AFTER = 0.8

/** Makes the client; it connects when it is used. */
export function createControlPlaneClient(options: ControlPlaneClientOptions): ControlPlaneClient {
  const { origin, pathname } = new URL(options.url)
  const base = pathname.replace(/\/+$/, '')
  const pool = new Pool(origin, {
    connections: 1,
    connect: { timeout: TIMEOUT_MS },
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    maxResponseSize: ANSWER_BYTES_MAX,
  })
  let enrolling: Promise<string> | null = null
  let credential: { readonly text: string; readonly renewAtMs: number } | null = null

  async function post(path: string, bearer: string, body: string): Promise<unknown> {
    const response = await pool.request({
      method: 'POST',
      path: base + path,
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      body,
    })
    const text = await response.body.text()
    if (response.statusCode !== 200) throw new ControlPlaneError(path, response.statusCode)
    return JSON.parse(text)
  }

  async function enrol(): Promise<string> {
    const nowMs = options.clock.monotonicMs()
    const token = (await readFile(options.tokenFile, 'utf8')).trim()
    const asked = JSON.stringify({ instanceId: options.instanceId })
    const answer: EnrolmentAnswer = enrolmentAnswerSchema.parse(await post('/sidecar/v1/enrol', token, asked))
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

  async function send(path: string, json: string): Promise<unknown> {
    const bearer = await enrolled()
    try {
      return await post(path, bearer, json)
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

  return {
    sendEvents: async (json) => eventBatchAnswerSchema.parse(await send('/sidecar/v1/events', json)),
    sendHeartbeat: async (json) => sidecarHeartbeatAnswerSchema.parse(await send('/sidecar/v1/heartbeat', json)),
    close: () => pool.destroy(),
  }
}
