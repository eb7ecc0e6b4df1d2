import { isUtf8 } from 'node:buffer'
import type { BigIntStats } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { PolicyFile, PolicyProblem } from './types.ts'

/** How a policy folder looks from outside, before a byte of it is read. */
export interface FolderView {
  /** Path, size, time of change and inode of everything in it: another one whenever a file may be another. */
  readonly signature: string
  /** When something in it changed last, ms since the epoch. */
  readonly changedMs: number
  readonly paths: readonly string[]
  /** What keeps it from being read at all: files that are too large or too many. */
  readonly problems: readonly PolicyProblem[]
}

/** The files of a folder, and what keeps one of them from being read. */
export interface FolderContent {
  readonly files: readonly PolicyFile[]
  readonly problems: readonly PolicyProblem[]
}

const FILES_MAX = 1_000
const DEPTH_MAX = 8
/** Names of any kind in one folder. */
const NAMES_MAX = 10_000
/** A file of 256 Ki UTF-16 code units, which is what the compiler takes, has at most three times as many bytes. */
const FILE_BYTES_MAX = 3 * 256 * 1024
/** All files together, as much as a Kubernetes ConfigMap can hold. It bounds how long a hostile folder takes to read. */
const FOLDER_BYTES_MAX = 1024 * 1024

/** Looks at a folder. @throws what the file system says, or if it is a folder of other things */
export async function viewFolder(folder: string): Promise<FolderView> {
  const found = await listEntries(folder)
  const problems: PolicyProblem[] = []
  const paths: string[] = []
  let bytes = 0
  let changedMs = 0
  let signature = ''
  for (const { path, stats } of found) {
    changedMs = Math.max(changedMs, Number(stats.ctimeMs))
    // The time of change cannot be set by hand, as the time of modification can.
    signature += `${path}:${stats.size}:${stats.ctimeNs}:${stats.dev}:${stats.ino}\n`
    if (stats.isDirectory()) continue
    const size = Number(stats.size)
    paths.push(path)
    bytes += size
    if (size > FILE_BYTES_MAX)
      problems.push(problem(relative(folder, path), `the file is larger than ${FILE_BYTES_MAX / 1024} KiB: split it`))
  }
  if (bytes > FOLDER_BYTES_MAX && problems.length === 0)
    problems.push(problem('.', `the files are larger than ${FOLDER_BYTES_MAX / 1024} KiB together`))
  if (paths.length > FILES_MAX)
    problems.push(problem('.', `the folder holds more than ${FILES_MAX} policy files: put some together`))
  return { signature, changedMs, paths, problems }
}

/** Reads the files of a view; nothing of one that may not be read. @throws what the file system says */
export async function readFolder(folder: string, view: FolderView): Promise<FolderContent> {
  if (view.problems.length > 0) return { files: [], problems: view.problems }
  const problems: PolicyProblem[] = []
  const files = await Promise.all(
    view.paths.map(async (full) => {
      const path = relative(folder, full)
      const bytes = await readFile(full)
      if (!isUtf8(bytes)) problems.push(problem(path, 'the file is not UTF-8: save it as UTF-8'))
      return { path, text: bytes.toString() }
    }),
  )
  return { files, problems }
}

/** What is wrong with a folder as a whole. */
export const folderProblem = (message: string): PolicyProblem => problem('.', message)

const problem = (file: string, message: string): PolicyProblem => ({ file, line: 1, path: '', message })

interface Entry {
  readonly path: string
  readonly stats: BigIntStats
}

/** A folder, its folders and its policy files. A folder's own time of change tells of files that went. */
async function listEntries(path: string, depth = 0): Promise<readonly Entry[]> {
  // stat follows links: a Kubernetes ConfigMap is a folder of them.
  const stats = await stat(path, { bigint: true })
  if (depth === 0 && !stats.isDirectory()) throw new Error(`${path} is not a folder`)
  if (!stats.isDirectory()) return stats.isFile() && /\.ya?ml$/.test(path) ? [{ path, stats }] : []
  if (depth > DEPTH_MAX) return []
  const names = (await readdir(path)).filter((name) => !name.startsWith('.')).sort()
  if (names.length > NAMES_MAX)
    throw new Error(`${path} holds more than ${NAMES_MAX} files: give policies a folder of their own`)
  const below = await Promise.all(names.map((name) => listEntries(join(path, name), depth + 1)))
  return [{ path, stats }, ...below.flat()]
}
