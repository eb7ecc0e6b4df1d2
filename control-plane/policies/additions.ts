import { createHash } from 'node:crypto'
import {
  type CheckedPolicy,
  checkBeside,
  type PolicyCheck,
  type PolicyFile,
  type Resets,
  withResets,
} from '@agentcostcontrol/policy'

/** What is merged into the files of a policy folder before a revision is made of them. */
export interface Additions {
  /** Documents that were made through the API; their paths begin with {@link ADDED}. */
  readonly files: readonly PolicyFile[]
  /** Resets through the API, by the name of their budget, whoever made that. */
  readonly resets: ReadonlyMap<string, Resets>
}

/** Nothing is merged into the folder's files. */
export const NO_ADDITIONS: Additions = { files: [], resets: new Map() }

/** Where documents of the API stand: no file of a folder begins so, since hidden ones are passed over. */
export const ADDED = '.api/'

/** A revision as it is going to be published. */
export interface Merged {
  readonly files: readonly PolicyFile[]
  /** Those files of the folder that are other ones in `files`, as they are in the folder. */
  readonly originals: readonly PolicyFile[]
  readonly check: PolicyCheck
}

/** Tells additions from each other. */
export const additionsKey = ({ files, resets }: Additions): string =>
  createHash('sha256')
    .update(
      JSON.stringify([
        files.map(({ path, text }) => [path, text]),
        [...resets].map(([name, { more, least }]) => [name, more, least]),
      ]),
    )
    .digest('hex')

/** The files of the folder in those of a revision. */
export function folderFiles(files: readonly PolicyFile[], originals: readonly PolicyFile[]): readonly PolicyFile[] {
  const texts = new Map(originals.map(({ path, text }) => [path, text]))
  return files
    .filter(({ path }) => !path.startsWith(ADDED))
    .map(({ path, text }) => ({ path, text: texts.get(path) ?? text }))
}

/** Merges and checks, and remembers the last ones: every replica holds its folder against what is in force all the time. */
export interface Merger {
  /** @param folder what the check of the folder's own files came to; `null` if they were not checked */
  merge(files: readonly PolicyFile[], folder: CheckedPolicy | null, additions: Additions): Promise<Merged>
}

const REMEMBERED_MAX = 4

/** Makes a merger. @param revisionOf of the folder's files */
export function createMerger(revisionOf: (files: readonly PolicyFile[]) => string): Merger {
  const known = new Map<string, Promise<Merged>>()
  return {
    merge: async (files, folder, additions) => {
      const key = `${folder?.revision ?? revisionOf(files)} ${additionsKey(additions)}`
      const remembered = known.get(key)
      if (remembered !== undefined) return remembered
      const merging = mergeAnew(files, folder, additions)
      const [oldest] = known.keys()
      if (known.size >= REMEMBERED_MAX && oldest !== undefined) known.delete(oldest)
      known.set(key, merging)
      return merging
    },
  }
}

async function mergeAnew(
  files: readonly PolicyFile[],
  folder: CheckedPolicy | null,
  { files: added, resets }: Additions,
): Promise<Merged> {
  const merged = withResets([...files, ...added], resets)
  const originals = files.filter((file, at) => merged[at] !== file)
  const isSame = added.length === 0 && originals.length === 0
  return { files: merged, originals, check: isSame && folder ? { ok: true, ...folder } : await checkBeside(merged) }
}
