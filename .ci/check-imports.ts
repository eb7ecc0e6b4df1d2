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

/** Each must be found: what stands lowest importing a plane, and the planes importing each other. */
const PLANTED: readonly (readonly [file: string, text: string])[] = [
  [
    'contract/planted-violation.ts',
    "import { createPipeline } from '../sidecar/pipeline.ts'\nexport const planted = createPipeline\n",
  ],
  [
    'control-plane/planted-violation.ts',
    "import { createPipeline } from '../sidecar/pipeline.ts'\nexport const planted = createPipeline\n",
  ],
  [
    'sidecar/planted-violation.ts',
    "import { createApp } from '../control-plane/app.ts'\nexport const planted = createApp\n",
  ],
]

// A run that was killed may have left one.
for (const [file] of PLANTED) rmSync(file, { force: true })
const clean = cruise()
if (clean.modules === 0) throw new Error('no module was read')
for (const violation of clean.violations) process.stderr.write(`${violation}\n`)

for (const [file, text] of PLANTED) {
  if (!planted(file, text).violations.some((violation) => violation.includes(file)))
    throw new Error(`the violation planted as ${file} was not found: the check is blind`)
}

process.stdout.write(
  `${clean.modules} modules read, ${clean.violations.length} violations; the ${PLANTED.length} planted ones were found\n`,
)
process.exitCode = clean.violations.length === 0 ? 0 : 1
