import { readFile } from 'node:fs/promises'
import {
  type BundleManifest,
  type ChannelAsk,
  type PolicyKey,
  policyKeySchema,
  REFUSAL_PROBLEMS_MAX,
  type SignedBundle,
  signedBundleSchema,
} from '@agentcostcontrol/contract'
import { assemblePolicy, checkBeside, checkPolicy, type PolicyProblem } from '@agentcostcontrol/policy'
import * as z from 'zod'
import type { Clock } from './clock.ts'
import { keysOf, openBundle, type TrustedKey } from './control/bundle.ts'
import { createKeptFile, type KeptFile } from './kept-file.ts'
import type { Logger } from './log.ts'
import { PolicyInForce, type PolicyStore, type Staleness } from './policy-store.ts'

/** The policy that the control plane gives: signed bundles, verified, swapped whole, the last good one kept on disk. */
export interface BundledPolicies extends PolicyStore {
  /** Of the policy in force; 0 for none. */
  readonly generation: number
  /** The newest bundle that was not taken, and why. */
  readonly refused: ChannelAsk['refused']
  /** Takes a bundle or refuses it with reasons; the last good one stays then. Never rejects. */
  take(bundle: SignedBundle): Promise<void>
  /** The control plane has nothing newer. */
  confirm(): void
  /** Says what is done about the age of the policy. */
  age(staleness: Staleness): void
}

/** The keys that enrolments tell. */
export interface ToldKeys {
  known(): readonly PolicyKey[]
  /** Asks for them anew. */
  fresh(): Promise<readonly PolicyKey[]>
}

/** What it needs. */
export interface BundledPoliciesOptions {
  /** Where the bundle in force is kept. */
  readonly file: string
  /** Only these sign, whatever enrolments tell; `null` where none are pinned. */
  readonly pinned: readonly TrustedKey[] | null
  readonly told: ToldKeys
  readonly clock: Clock
  readonly log: Logger
}

/**
 * A bundle that does not come from where it should says nothing of what the control plane has: it is asked for it again
 * after so long.
 */
const MISTRUST_MS = 60_000

const keptSchema = z.strictObject({ bundle: signedBundleSchema, policyKeys: z.array(policyKeySchema) })

/** Opens it: with the bundle that was in force when the last process ended, or with none. */
export async function openBundledPolicies(options: BundledPoliciesOptions): Promise<BundledPolicies> {
  const policies = new ControlPlanePolicies(options)
  await policies.open()
  return policies
}

class ControlPlanePolicies implements BundledPolicies {
  readonly #options: BundledPoliciesOptions
  readonly #inForce: PolicyInForce
  readonly #kept: KeptFile
  /** Whose policies these are: said by the first bundle, and never changed. */
  #orgId: string | null = null
  #refused: ChannelAsk['refused'] = null
  /** When a refusal is forgotten, on the monotonic clock. */
  #refusedUntilMs = Number.POSITIVE_INFINITY

  constructor(options: BundledPoliciesOptions) {
    this.#options = options
    this.#inForce = new PolicyInForce(options.clock, options.log)
    this.#kept = createKeptFile(options.file, 'the policy in force', options.log)
  }

  async open(): Promise<void> {
    const { file, pinned, log } = this.#options
    const text = await readFile(file, 'utf8').catch(() => null)
    if (text === null) return
    const kept = readKept(text)
    const opened = kept === null ? null : openBundle(kept.bundle, pinned ?? keysOf(kept.policyKeys))
    if (!opened?.ok) {
      log.error('the policy that was kept is not taken', { reason: opened?.reason ?? 'the file is not whole', file })
      return
    }
    const { orgId, generation, files } = opened.manifest
    const checked = checkPolicy(files)
    this.#orgId = orgId
    if (checked.ok) this.#inForce.restore(assemblePolicy(checked), generation)
    else this.#inForce.refuse(checked.problems)
  }

  current = () => this.#inForce.current()
  inForce = () => this.#inForce.inForce()
  status = () => this.#inForce.status()

  close(): void {
    this.#kept.close()
  }

  get generation(): number {
    return this.#inForce.status().generation
  }

  get refused(): ChannelAsk['refused'] {
    if (this.#options.clock.monotonicMs() >= this.#refusedUntilMs) this.#refused = null
    return this.#refused
  }

  async take(bundle: SignedBundle): Promise<void> {
    const opened = openBundle(bundle, await this.#keysFor(bundle))
    const mistrust = opened.ok ? this.#mistrust(opened.manifest) : opened.reason
    if (mistrust !== null || !opened.ok) {
      const problems = [wholeBundle(`the bundle of the control plane is not taken: ${mistrust}`)]
      this.#refuse(claimedGeneration(bundle), problems, MISTRUST_MS)
      return
    }
    const { orgId, generation, files } = opened.manifest
    const checked = await checkBeside(files)
    if (!checked.ok) {
      this.#refuse(generation, checked.problems, Number.POSITIVE_INFINITY)
      return
    }
    this.#orgId = orgId
    this.#refused = null
    const { told } = this.#options
    // Kept first: a process that dies in between must not come back with an older one.
    await this.#kept.keep(JSON.stringify({ bundle, policyKeys: told.known() }))
    this.#inForce.enact({ policy: assemblePolicy(checked), generation, files: files.length }, 'control plane')
  }

  confirm(): void {
    if (this.refused === null && this.#inForce.inForce() !== null) this.#inForce.confirm('control plane')
  }

  age(staleness: Staleness): void {
    this.#inForce.age(staleness)
  }

  /** A key that is not known may be new. */
  async #keysFor({ keyId }: SignedBundle): Promise<readonly TrustedKey[]> {
    const { pinned, told } = this.#options
    if (pinned !== null) return pinned
    const known = keysOf(told.known())
    if (known.some((key) => key.keyId === keyId)) return known
    return keysOf(await told.fresh().catch(() => told.known()))
  }

  /** Why a bundle whose signature holds is not for this sidecar now; `null` if it is. */
  #mistrust({ orgId, generation }: BundleManifest): string | null {
    if (this.#orgId !== null && orgId !== this.#orgId)
      return `it is of the organisation ${orgId}, and this sidecar is of ${this.#orgId}. To move it, give it an empty ACC_DATA_DIR`
    const inForce = this.generation
    if (generation <= inForce) return `its generation ${generation} is not newer than ${inForce}, which is in force`
    return null
  }

  #refuse(generation: number, problems: readonly PolicyProblem[], forMs: number): void {
    this.#refused = { generation, problems: problems.slice(0, REFUSAL_PROBLEMS_MAX).map(bounded) }
    this.#refusedUntilMs = this.#options.clock.monotonicMs() + forMs
    this.#inForce.refuse(problems)
  }
}

/** As long as the contract lets it be. */
const bounded = ({ file, line, path, message }: PolicyProblem): PolicyProblem => ({
  file: file.slice(0, 1_024),
  line,
  path: path.slice(0, 1_024),
  message: message.slice(0, 2_000),
})

const wholeBundle = (message: string): PolicyProblem => ({ file: '.', line: 1, path: '', message })

function readKept(text: string): z.infer<typeof keptSchema> | null {
  try {
    return keptSchema.parse(JSON.parse(text))
  } catch {
    return null
  }
}

/** What a bundle says its generation is, whether it is to be believed or not; 1 if it says nothing. */
function claimedGeneration({ manifest }: SignedBundle): number {
  try {
    return z.object({ generation: z.int().min(1) }).parse(JSON.parse(manifest)).generation
  } catch {
    return 1
  }
}
