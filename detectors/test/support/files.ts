/** Files of the dependencies that people read: sources, documentation, lock files. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const FILE_BYTES_MAX = 400_000
const READABLE = /\.(?:[cm]?[jt]s|json|md|ya?ml)$/

/** Name and text of about so many files, spread over all, and of the lock file. Our own packages are left out. */
export function* readableFiles(filesMax: number): Generator<{ readonly file: string; readonly text: string }> {
  const all = readdirSync(join(ROOT, 'node_modules'), { withFileTypes: true })
    .filter(({ name }) => name !== '@agentcostcontrol')
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(join(ROOT, 'node_modules', entry.name)) : []))
    .toSorted()
  const every = Math.max(1, Math.floor(all.length / filesMax))
  for (const file of [join(ROOT, 'package-lock.json'), ...all.filter((_, index) => index % every === 0)]) {
    if (file.includes('node_modules') && statSync(file).size > FILE_BYTES_MAX) continue
    yield { file, text: readFileSync(file, 'utf8') }
  }
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && READABLE.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}
