import type { PolicyFile } from '@agentcostcontrol/policy'
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff'

/** What a revision changed against the one before it. Files are named by their paths, in order. */
export interface Difference {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly string[]
  /** A unified diff of all of them. */
  readonly unified: string
  /** Whether something is left out of it, because it would be too long or take too long. */
  readonly truncated: boolean
}

/** Longest unified diff, in UTF-16 code units. */
const UNIFIED_CHARS_MAX = 256 * 1024
/** Most files differ by a few lines, which costs little; one that differs by more takes time by their square. */
const FEW_EDITS_MAX = 50
const EDITS_MAX = 400
/** Files that may differ by more: some 30 ms each, in which requests wait. */
const LARGE_MAX = 3

/** Tells what changed between the files of two revisions. */
export function differenceOf(before: readonly PolicyFile[], after: readonly PolicyFile[]): Difference {
  const old = new Map(before.map(({ path, text }) => [path, text]))
  const now = new Map(after.map(({ path, text }) => [path, text]))
  const paths = [...new Set([...old.keys(), ...now.keys()])].filter((path) => old.get(path) !== now.get(path)).sort()
  let large = 0
  let unified = ''
  let truncated = false
  for (const path of paths) {
    const [from, to] = [old.get(path), now.get(path)]
    const small = patchOf(path, from, to, FEW_EDITS_MAX)
    const patch = small ?? (large++ < LARGE_MAX ? patchOf(path, from, to, EDITS_MAX) : undefined)
    if (patch === undefined || unified.length + patch.length > UNIFIED_CHARS_MAX) truncated = true
    else unified += patch
  }
  return {
    added: paths.filter((path) => !old.has(path)),
    removed: paths.filter((path) => !now.has(path)),
    changed: paths.filter((path) => old.has(path) && now.has(path)),
    unified,
    truncated,
  }
}

/** @returns `undefined` if the texts differ by more lines */
function patchOf(
  path: string,
  before: string | undefined,
  after: string | undefined,
  editsMax: number,
): string | undefined {
  const from = before === undefined ? '/dev/null' : `a/${path}`
  const to = after === undefined ? '/dev/null' : `b/${path}`
  // Of a file that is new or gone every line differs, and nothing is looked for.
  const isWhole = before === undefined || after === undefined
  return createTwoFilesPatch(from, to, before ?? '', after ?? '', undefined, undefined, {
    context: 3,
    maxEditLength: isWhole ? Number.POSITIVE_INFINITY : editsMax,
    headerOptions: FILE_HEADERS_ONLY,
  })
}
