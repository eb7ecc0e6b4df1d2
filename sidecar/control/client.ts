import { readFile } from 'node:fs/promises'
import {
  type EnrolmentAnswer,
  type EventBatchAnswer,
  enrolmentAnswerSchema,
  eventBatchAnswerSchema,
} from '@agentcostcontrol/contract'
import { Pool } from 'undici'
import type { Clock } from '../clock.ts'

/** The control plane as a sidecar calls it. */
export interface ControlPlaneClient {
  /** Sends a batch. @throws unless all of it is stored or refused by name */
  sendEvents(json: string): Promise<EventBatchAnswer>
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

  async function enrolled(): Promise<string> {
    const nowMs = options.clock.monotonicMs()
    if (credential !== null && nowMs < credential.renewAtMs) return credential.text
    const token = (await readFile(options.tokenFile, 'utf8')).trim()
    const asked = JSON.stringify({ instanceId: options.instanceId })
    const answer: EnrolmentAnswer = enrolmentAnswerSchema.parse(await post('/sidecar/v1/enrol', token, asked))
    credential = { text: answer.credential, renewAtMs: nowMs + answer.validForMs * RENEWED_AFTER }
    return answer.credential
  }

  return {
    sendEvents: async (json) => {
      try {
        return eventBatchAnswerSchema.parse(await post('/sidecar/v1/events', await enrolled(), json))
      } catch (error) {
        // The next try enrols again.
        if (error instanceof ControlPlaneError && (error.status === 401 || error.status === 403)) credential = null
        throw error
      }
    },
    close: () => pool.destroy(),
  }
}
