import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import type { PolicyFile } from '@agentcostcontrol/policy'

/** Who made a revision, as git tells it of the folder: the last commit that changed something below it. */
export interface Provenance {
  /** `Name <address>`; `null` where git says nothing. */
  readonly author: string | null
  readonly commit: string | null
  /** RFC 3339 with its zone. */
  readonly committedAt: string | null
  /** Whether the files differ from what is committed; `null` where the folder lies in no work tree. */
  readonly uncommitted: boolean | null
}

/** Of a plain folder. */
export const NO_PROVENANCE: Provenance = { author: null, commit: null, committedAt: null, uncommitted: null }

const TIMEOUT_MS = 1_000
const OUTPUT_BYTES_MAX = 8 * 1024 * 1024
const AUTHOR_CHARS_MAX = 300

/**
 * A work tree is somebody else's: nothing that its configuration names may run (hooks, monitors, filters, pagers,
 * programs that check signatures or fetch what is missing), and nothing is written to it. Only objects are read: what
 * `git status` would say of the files is computed here, since it runs filters.
 */
const SAFE_WORDS = [
  '--no-pager',
  '--no-optional-locks',
  '--no-replace-objects',
  '--literal-pathspecs',
  ...[
    'safe.directory=*',
    'core.hooksPath=/dev/null',
    'core.fsmonitor=false',
    'core.attributesFile=/dev/null',
    'log.showSignature=false',
    'log.mailmap=false',
    'protocol.allow=never',
  ].flatMap((setting) => ['-c', setting]),
]
const ENVIRONMENT = {
  PATH: process.env.PATH ?? '',
  LC_ALL: 'C',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  // Wins over whatever the repository allows: a partial clone must not fetch.
  GIT_ALLOW_PROTOCOL: 'none',
  GIT_NO_LAZY_FETCH: '1',
}

/**
 * Asks git about the files of a folder. Never rejects.
 * @returns `null` if git did not answer in time: it may do so later
 */
export async function provenanceOf(folder: string, files: readonly PolicyFile[]): Promise<Provenance | null> {
  const git = (...words: readonly string[]) => runGit(folder, words)
  try {
    if ((await git('rev-parse', '--is-inside-work-tree')).trim() !== 'true') return NO_PROVENANCE
  } catch (error) {
    return tookTooLong(error) ? null : NO_PROVENANCE
  }
  try {
    const head = (await git('rev-parse', '--verify', '--quiet', 'HEAD^{commit}')).trim()
    const form = '--format=%H%x00%an <%ae>%x00%cI'
    const [logged, tree] = await Promise.all([
      git('log', '-1', '--no-show-signature', '--no-color', '--encoding=UTF-8', form, head, '--', '.'),
      git('ls-tree', '-r', '-z', head),
    ])
    const [commit = '', author = '', committedAt = ''] = logged.trim().split('\0')
    if (commit === '') return { ...NO_PROVENANCE, uncommitted: true }
    return { author: tame(author), commit, committedAt, uncommitted: differs(files, tree) }
  } catch (error) {
    // Without a commit, or with one that cannot be read.
    return tookTooLong(error) ? null : { ...NO_PROVENANCE, uncommitted: true }
  }
}

async function runGit(folder: string, words: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('git', [...SAFE_WORDS, '-C', folder, ...words], {
    env: ENVIRONMENT,
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: OUTPUT_BYTES_MAX,
  })
  return stdout
}

const tookTooLong = (error: unknown): boolean => error instanceof Error && 'killed' in error && error.killed === true

/** Whether these files are others than the tree's, byte for byte. A link is never the file that it leads to. */
function differs(files: readonly PolicyFile[], tree: string): boolean {
  const committed = new Map<string, string>()
  for (const entry of tree.split('\0')) {
    const [, mode = '', hash = '', path = ''] = /^(\d+) \w+ ([0-9a-f]+)\t([\s\S]+)$/.exec(entry) ?? []
    const isPolicy = /\.ya?ml$/.test(path) && !path.split('/').some((name) => name.startsWith('.'))
    if (isPolicy) committed.set(path, mode.startsWith('100') ? hash : 'none')
  }
  return (
    files.length !== committed.size ||
    files.some(({ path, text }) => {
      const hash = committed.get(path)
      return hash === undefined || hash !== blobHash(text, hash.length)
    })
  )
}

/** The hash that git gives to a file. */
function blobHash(text: string, hexDigits: number): string {
  const bytes = Buffer.from(text)
  const hash = createHash(hexDigits === 64 ? 'sha256' : 'sha1')
  return hash.update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
}

/** A name that can be shown in a line. */
const tame = (author: string): string => author.replace(/\p{C}+/gu, ' ').slice(0, AUTHOR_CHARS_MAX)
