import { timingSafeEqual } from 'node:crypto'
import type { EnrolmentAnswer, PolicyKey } from '@agentcostcontrol/contract'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { type KeyKind, makeKey, parseKey } from './keys.ts'
import { installationRepository, keyRepository } from './repository.ts'

/** Who asks. */
export type Caller =
  | { readonly kind: 'admin' | 'enrolment'; readonly orgId: string; readonly keyId: string }
  | { readonly kind: 'sidecar'; readonly orgId: string; readonly keyId: string; readonly instanceId: string }

/** A sidecar with a credential. */
export type SidecarCaller = Caller & { readonly kind: 'sidecar' }

/** Who callers are: the one place that knows, whatever they show for it. */
export interface Identity {
  /** Of a bearer token; `null` if it says nothing here. */
  identify(bearer: string): Promise<Caller | null>
}

/** Keys and what comes of them. */
export interface AuthService extends Identity {
  /**
   * Makes the organisation of an installation and its admin key.
   * @param show gives the key to whoever started the first replica; told once, and again, with another key, at the next
   * start of any if it did not return
   */
  firstStart(show: (adminKey: string) => void): Promise<void>
  /** Makes another admin key of the first organisation. */
  makeAdminKey(): Promise<string>
  /** Makes a token that enrols sidecars of an organisation, the first one's if none is named. */
  makeEnrolmentToken(orgId?: string): Promise<string>
  /** Makes a short-lived credential for one sidecar. */
  enrol(caller: Caller, instanceId: string): Promise<EnrolmentAnswer>
}

/** What the service needs. */
export interface AuthServiceOptions {
  readonly database: Database
  readonly clock: Clock
  newId(): string
  /** What sidecars hold bundles of policy against. */
  readonly policyKeys: readonly PolicyKey[]
  /** How long a sidecar's credential holds. */
  readonly credentialMs?: number
}

const CREDENTIAL_MS = 60 * 60 * 1_000
/** A key that was found is not looked up again for so long; by then one that was taken away is refused. */
const REMEMBERED_MS = 10_000
const REMEMBERED_MAX = 10_000

/** Makes the service. */
export function createAuthService(options: AuthServiceOptions): AuthService {
  const { database, clock, newId, policyKeys, credentialMs = CREDENTIAL_MS } = options
  const remembered = new Map<string, { readonly caller: Caller; readonly untilMs: number }>()

  function remember(bearer: string, caller: Caller, validForMs: number): void {
    const [oldest] = remembered.keys()
    if (remembered.size >= REMEMBERED_MAX && oldest !== undefined) remembered.delete(oldest)
    remembered.set(bearer, { caller, untilMs: clock.nowMs() + Math.min(validForMs, REMEMBERED_MS) })
  }

  async function lookUp(bearer: string): Promise<Caller | null> {
    const key = parseKey(bearer)
    if (key === null) return null
    const { kind, orgId, keyId, secretHash } = key
    const stored = await database.inOrg(orgId, (tx) => keyRepository.find(tx, kind, keyId))
    if (stored === null || !timingSafeEqual(stored.secretHash, secretHash)) return null
    const caller = callerOf(kind, orgId, keyId, stored.instanceId)
    remember(bearer, caller, stored.validForMs ?? REMEMBERED_MS)
    return caller
  }

  const insert = async (kind: KeyKind, orgId: string, instanceId: string | null, validForMs: number | null) => {
    const keyId = newId()
    const { text, hash } = makeKey(kind, orgId, keyId)
    await database.inOrg(orgId, async (tx) => {
      if (kind === 'sidecar') await keyRepository.deleteExpired(tx)
      await keyRepository.insert(tx, { orgId, keyId, kind, hash, instanceId, validForMs })
    })
    return text
  }

  async function firstOrganisation(): Promise<string> {
    const orgId = await database.inNone(installationRepository.orgId)
    if (orgId === null) throw new Error('there is no organisation yet')
    return orgId
  }

  return {
    identify: async (bearer) => {
      const known = remembered.get(bearer)
      if (known !== undefined && known.untilMs > clock.nowMs()) return known.caller
      remembered.delete(bearer)
      return lookUp(bearer)
    },
    firstStart: async (show) => {
      const orgId = newId()
      await database.inOrg(orgId, async (tx) => {
        if (!(await installationRepository.claim(tx, orgId))) return
        await installationRepository.insertOrganisation(tx, orgId, 'default')
      })
      await database.inNone(async (tx) => {
        const org = await installationRepository.lockUnshown(tx)
        if (org === null) return
        // In a transaction of its own: a key is shown when it is good, and written down as shown when that is done. One
        // that nobody was shown stays behind as the hash of a secret that nobody has.
        show(await insert('admin', org, null, null))
        await installationRepository.markShown(tx)
      })
    },
    makeAdminKey: async () => insert('admin', await firstOrganisation(), null, null),
    makeEnrolmentToken: async (orgId) => insert('enrolment', orgId ?? (await firstOrganisation()), null, null),
    enrol: async ({ orgId }, instanceId) => ({
      credential: await insert('sidecar', orgId, instanceId, credentialMs),
      validForMs: credentialMs,
      policyKeys: [...policyKeys],
    }),
  }
}

function callerOf(kind: KeyKind, orgId: string, keyId: string, instanceId: string | null): Caller {
  if (kind !== 'sidecar') return { kind, orgId, keyId }
  if (instanceId === null) throw new Error('a credential of no sidecar')
  return { kind, orgId, keyId, instanceId }
}
