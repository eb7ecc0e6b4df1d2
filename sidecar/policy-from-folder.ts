import { readFile } from 'node:fs/promises'
import {
  assemblePolicy,
  checkBeside,
  checkPolicy,
  compilePolicy,
  EMPTIED_FOLDER,
  type PolicyFile,
  type PolicyProblem,
  policyRevision,
  watchFolder,
} from '@agentcostcontrol/policy'
import type { Clock } from './clock.ts'
import { createKeptFile, type KeptFile } from './kept-file.ts'
import { type Logger, unexpectedFields } from './log.ts'
import { PolicyInForce, type PolicyStore } from './policy-store.ts'

/** What a sidecar that stands alone needs. */
export interface FolderPoliciesOptions {
  readonly folder: string
  readonly lastGoodFile: string
  readonly clock: Clock
  readonly log: Logger
}

/** Opens a folder's policy, or the last good one if the folder's is bad; follows it from then on. */
export async function openFolderPolicies(options: FolderPoliciesOptions): Promise<PolicyStore> {
  const { folder, lastGoodFile, clock, log } = options
  const inForce = new PolicyInForce(clock, log)
  const kept = createKeptFile(lastGoodFile, 'the policy in force', log)
  const lastGood = await readKept(lastGoodFile)
  const judge = new FolderJudge(inForce, kept, lastGood.length > 0)
  const watch = await watchFolder({
    folder,
    clock,
    onFiles: (files, first) => judge.judge(files, first),
    onProblems: (problems) => inForce.refuse(problems),
    onError: (error) => log.error('the policy folder could not be judged', unexpectedFields(error)),
  })
  if (inForce.inForce() === null && lastGood.length > 0) {
    const result = compilePolicy(lastGood)
    if (result.ok) inForce.restore(result.policy, 0)
  }
  return {
    current: () => inForce.current(),
    inForce: () => inForce.inForce(),
    status: () => inForce.status(),
    close: () => {
      watch.close()
      kept.close()
    },
  }
}

/** Takes a folder's files or refuses them. */
class FolderJudge {
  readonly #inForce: PolicyInForce
  readonly #kept: KeptFile
  /** Whether there was a policy at any time. */
  #hadPolicy: boolean
  /** The files that were refused last, so that they are not compiled again. */
  #refused: { readonly revision: string; readonly problems: readonly PolicyProblem[] } | null = null

  constructor(inForce: PolicyInForce, kept: KeptFile, hadPolicy: boolean) {
    this.#inForce = inForce
    this.#kept = kept
    this.#hadPolicy = hadPolicy
  }

  async judge(files: readonly PolicyFile[], first: boolean): Promise<void> {
    if (files.length === 0 && this.#hadPolicy) {
      this.#inForce.refuse([EMPTIED_FOLDER])
      return
    }
    const revision = policyRevision(files)
    if (revision === this.#inForce.inForce()?.revision) {
      this.#inForce.confirm('folder')
      return
    }
    if (revision === this.#refused?.revision) {
      this.#inForce.refuse(this.#refused.problems)
      return
    }
    // Nothing waits for the main thread at the start, and a worker would only cost memory.
    const checked = first ? checkPolicy(files) : await checkBeside(files)
    if (!checked.ok) {
      this.#refused = { revision, problems: checked.problems }
      this.#inForce.refuse(checked.problems)
      return
    }
    this.#refused = null
    this.#hadPolicy ||= files.length > 0
    this.#inForce.enact({ policy: assemblePolicy(checked), generation: 0, files: files.length }, 'folder')
    await this.#kept.keep(JSON.stringify(files))
  }
}

async function readKept(file: string): Promise<readonly PolicyFile[]> {
  try {
    const parsed: unknown = JSON.parse(await readFile(file, 'utf8'))
    return Array.isArray(parsed) && parsed.every(isPolicyFile) ? parsed : []
  } catch {
    return []
  }
}

const isPolicyFile = (value: unknown): value is PolicyFile =>
  typeof value === 'object' &&
  value !== null &&
  'path' in value &&
  typeof value.path === 'string' &&
  'text' in value &&
  typeof value.text === 'string'
