/**
 * Prints as JSON what a sidecar would say of a policy folder: `node policy-lint.ts FOLDER`. `acc policy lint` runs it, so
 * that there is one way to read a folder and not two that differ.
 */
import { type CheckedPolicy, checkPolicy, readFolder, viewFolder } from '@agentcostcontrol/policy'

const [folder = ''] = process.argv.slice(2)
try {
  const { files, problems } = await readFolder(folder, await viewFolder(folder))
  const result = problems.length > 0 ? { ok: false as const, problems } : checkPolicy(files)
  const told = result.ok ? summary(result, files.length) : result
  process.stdout.write(`${JSON.stringify(told)}\n`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

function summary({ documents, tests, revision }: CheckedPolicy, files: number) {
  const budgets = documents.filter(({ kind }) => kind === 'Budget').length
  return { ok: true, files, budgets, tests, revision }
}
