/**
 * Holds the direction of imports, and proves that it does: a violation that is planted must be found, and a run that
 * read no module is a failure.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'

const FOLDERS = ['contract', 'policy', 'detectors', 'sidecar', 'control-plane', 'simulator', 'cli', 'test'].filter(
  (folder) => existsSync(folder),
)

interface Run {
  readonly modules: number
  readonly violations: readonly string[]
}

function cruise(): Run {
  const words = [
    'node_modules/.bin/depcruise',
    '--config',
    '.ci/dependency-rules.cjs',
    '--output-type',
    'json',
    ...FOLDERS,
  ]
  const { stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 })
  try {
    const { modules, summary } = JSON.parse(stdout)
    return {
      modules: modules.length,
      violations: summary.violations.map(
        ({ rule, from, to }: { rule: { name: string }; from: string; to: string }) => `${rule.name}: ${from} → ${to}`,
      ),
    }
  } catch {
    throw new Error(`dependency-cruiser did not answer: ${stderr}`)
  }
}

function planted(file: string, text: string): Run {
  writeFileSync(file, text)
  try {
    return cruise()
  } finally {
    rmSync(file, { force: true })
  }
}

const clean = cruise()
if (clean.modules === 0) throw new Error('no module was read')
for (const violation of clean.violations) process.stderr.write(`${violation}\n`)

const PLANTED = 'contract/planted-violation.ts'
const dirty = planted(
  PLANTED,
  "import { createPipeline } from '../sidecar/pipeline.ts'\nexport const planted = createPipeline\n",
)
if (!dirty.violations.some((violation) => violation.includes(PLANTED)))
  throw new Error('a planted violation was not found: the check is blind')

process.stdout.write(
  `${clean.modules} modules read, ${clean.violations.length} violations; the planted one was found\n`,
)
process.exitCode = clean.violations.length === 0 ? 0 : 1
