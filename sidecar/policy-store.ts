import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { type CompiledPolicy, compilePolicy, type PolicyFile, type PolicyProblem } from '@agentcostcontrol/policy'
import type { Clock } from './clock.ts'
import type { Logger } from './log.ts'

/** The policy in force: read from a folder, swapped whole, the last good one kept in memory and on disk. */
export interface PolicyStore {
  current(): CompiledPolicy | null
  status(): PolicyStatus
  /** Looks at the folder now; resolves when what it found is in force or refused. */
  refresh(): Promise<void>
  close(): void
}

/** For /readyz, /metrics and the log. */
export interface PolicyStatus {
  readonly revision: string | null
  /** Where the policy in force came from. */
  readonly source: 'folder' | 'last-known-good' | 'none'
  /** When it came into force, ms since the epoch. */
  readonly sinceMs: number | null
  /** What is wrong with what stands in the folder now; empty when it is in force. */
  readonly problems: readonly PolicyProblem[]
}

/** What the store needs. */
export interface PolicyStoreOptions {
  readonly folder: string
  readonly lastGoodFile: string
  readonly clock: Clock
  readonly log: Logger
  /** How often the folder is looked at. Polling sees git checkouts and Kubernetes' symlink swaps alike. */
  readonly pollMs: number
}

const FILES_MAX = 1_000
const DEPTH_MAX = 8

/** Opens the store: the folder's policy, or the last good one if the folder's is bad. */
export async function openPolicyStore(options: PolicyStoreOptions): Promise<PolicyStore> {
  const { folder, lastGoodFile, clock, log, pollMs } = options
  let policy: CompiledPolicy | null = null
  let status: PolicyStatus = { revision: null, source: 'none', sinceMs: null, problems: [] }
  let seen = ''
  let running: Promise<void> | null = null

  async function look(): Promise<void> {
    const signature = await folderSignature(folder)
    if (signature === seen) return
    const files = await readFolder(folder)
    const result = compilePolicy(files)
    seen = signature
    if (!result.ok) {
      status = { ...status, problems: result.problems }
      for (const { file, line, path, message } of result.problems)
        log.error('policy refused', { file, line, path, reason: message })
      return
    }
    const changed = result.policy.revision !== policy?.revision
    policy = result.policy
    status = {
      revision: policy.revision,
      source: 'folder',
      sinceMs: changed ? clock.nowMs() : status.sinceMs,
      problems: [],
    }
    if (!changed) return
    log.info('policy in force', { revision: policy.revision, budgets: policy.budgets.length })
    await keep(lastGoodFile, files)
  }

  function refresh(): Promise<void> {
    running ??= look()
      .catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error)
        const problem = { file: '.', line: 1, path: '', message: `the policy folder cannot be read: ${reason}` }
        if (status.problems[0]?.message !== problem.message) log.error('policy folder cannot be read', { reason })
        status = { ...status, problems: [problem] }
        seen = ''
      })
      .finally(() => {
        running = null
      })
    return running
  }

  await refresh()
  if (policy === null) {
    const kept = await readKept(lastGoodFile)
    const result = kept && compilePolicy(kept)
    if (result?.ok) {
      policy = result.policy
      status = { ...status, revision: policy.revision, source: 'last-known-good', sinceMs: clock.nowMs() }
      log.warn('the last known good policy is in force', { revision: policy.revision })
    }
  }
  const timer = setInterval(() => void refresh(), pollMs)
  timer.unref()
  return { current: () => policy, status: () => status, refresh, close: () => clearInterval(timer) }
}

async function listFiles(folder: string, depth = 0): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.')).sort()
  const files: string[] = []
  for (const name of names) {
    const path = join(folder, name)
    // stat follows links: a Kubernetes ConfigMap is a folder of them.
    const entry = await stat(path)
    if (entry.isDirectory() && depth < DEPTH_MAX) files.push(...(await listFiles(path, depth + 1)))
    else if (entry.isFile() && /\.ya?ml$/.test(name)) files.push(path)
    if (files.length > FILES_MAX) throw new Error(`more than ${FILES_MAX} policy files`)
  }
  return files
}

async function folderSignature(folder: string): Promise<string> {
  const files = await listFiles(folder)
  const stats = await Promise.all(files.map((file) => stat(file)))
  return files.map((file, at) => `${file}:${stats[at]?.size}:${stats[at]?.mtimeMs}:${stats[at]?.ino}`).join('\n')
}

async function readFolder(folder: string): Promise<readonly PolicyFile[]> {
  const paths = await listFiles(folder)
  return Promise.all(paths.map(async (path) => ({ path: relative(folder, path), text: await readFile(path, 'utf8') })))
}

async function keep(file: string, files: readonly PolicyFile[]): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(`${file}.new`, JSON.stringify(files))
  await rename(`${file}.new`, file)
}

async function readKept(file: string): Promise<readonly PolicyFile[] | null> {
  try {
    const parsed: unknown = JSON.parse(await readFile(file, 'utf8'))
    return Array.isArray(parsed) && parsed.every(isPolicyFile) ? parsed : null
  } catch {
    return null
  }
}

const isPolicyFile = (value: unknown): value is PolicyFile =>
  typeof value === 'object' &&
  value !== null &&
  'path' in value &&
  typeof value.path === 'string' &&
  'text' in value &&
  typeof value.text === 'string'
