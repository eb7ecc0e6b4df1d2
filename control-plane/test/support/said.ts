import { randomUUID } from 'node:crypto'
import type { Commands, EventBatchAnswer, UsageEvent } from '@agentcostcontrol/contract'
import { type ApiAnswer, askApi } from '../../../test/support/control-plane.ts'
import { batchOf } from './events.ts'
import type { TestReplica } from './replica.ts'

/** An organisation behind replicas: its admin, and sidecars that poll. */
export class Said {
  readonly orgId: string
  readonly #replicas: readonly TestReplica[]
  readonly #adminKey: string

  private constructor(replicas: readonly TestReplica[], orgId: string, adminKey: string) {
    this.#replicas = replicas
    this.orgId = orgId
    this.#adminKey = adminKey
  }

  static async by(replicas: readonly TestReplica[]): Promise<Said> {
    const [first] = replicas
    if (first === undefined) throw new Error('no replica')
    const { orgId, adminKey } = await first.organisation()
    return new Said(replicas, orgId, adminKey)
  }

  /** Asks the API of a replica, as the admin. */
  ask<Body>(path: string, body?: unknown, at = 0): Promise<ApiAnswer<Body>> {
    return askApi(`${this.#at(at).url}/api/v1${path}`, this.#adminKey, body)
  }

  /** The same, by DELETE. */
  remove<Body>(path: string): Promise<ApiAnswer<Body>> {
    return askApi(`${this.#at(0).url}/api/v1${path}`, this.#adminKey, undefined, 'DELETE')
  }

  /** A sidecar at a replica: it posts to its paths, and follows what is said. */
  async sidecar(at: number, instanceId: string = randomUUID()) {
    const { url, credential } = this.#at(at)
    const bearer = await credential(this.orgId, instanceId)
    const post = <Body>(path: string, body: unknown): Promise<ApiAnswer<Body>> =>
      askApi(`${url}/sidecar/v1${path}`, bearer, body)
    return {
      instanceId,
      post,
      send: (events: readonly Partial<UsageEvent>[]) =>
        post<EventBatchAnswer>('/events', batchOf(events.map((event) => ({ ...event, instanceId })))),
      /** What is said beyond a version; `null` where that is what it knows. */
      told: async (version = 0, waitMs = 0): Promise<Commands | null> => {
        const ask = { versions: { policy: 0, leases: 0, commands: version }, refused: null, waitMs }
        return (await post<{ readonly commands: Commands | null }>('/channel', ask)).body.commands
      },
    }
  }

  #at(at: number): TestReplica {
    const replica = this.#replicas[at]
    if (replica === undefined) throw new Error('no such replica')
    return replica
  }
}
