/**
 * Prints as JSON what a sidecar would say of a policy folder: `node policy-lint.ts FOLDER`. `acc policy lint` runs it, so
 * that there is one way to read a folder and not two that differ.
 */
import { compilePolicy } from '@agentcostcontrol/policy'
import { readFolder, viewFolder } from './policy-folder.ts'

const [folder = ''] = process.argv.slice(2)
try {
  const { files, problems } = await readFolder(folder, await viewFolder(folder))
  const result = problems.length > 0 ? { ok: false as const, problems } : compilePolicy(files)
  const told = result.ok
    ? { ok: true, files: files.length, budgets: result.policy.budgets.length, revision: result.policy.revision }
    : result
  process.stdout.write(`${JSON.stringify(told)}\n`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
