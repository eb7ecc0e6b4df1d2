import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { compilePolicy, type PolicyFile } from '@agentcostcontrol/policy'
import { type Command, readWords, UsageError } from '../support/command.ts'

/** `acc policy lint`: says of a folder what a sidecar would say. */
export const policyLint: Command = {
  name: 'policy lint',
  summary: 'checks a folder of policy YAML as a sidecar would',
  help: '  acc policy lint FOLDER [--json]\n\nPrints file:line path: message for each mistake; the exit code is 1 if there is one.',
  run: async (words) => {
    const { positionals, flags } = readWords(words, { flags: ['json'], positionals: ['FOLDER'] })
    const [folder] = positionals
    if (folder === undefined) throw new UsageError('usage: acc policy lint FOLDER [--json]')
    const files = readFolder(folder)
    const result = compilePolicy(files)
    if (flags.has('json'))
      process.stdout.write(`${JSON.stringify(result.ok ? { ok: true, revision: result.policy.revision } : result)}\n`)
    else if (result.ok)
      process.stdout.write(
        `${files.length} file${files.length === 1 ? '' : 's'}, ${result.policy.budgets.length} budgets: valid. Revision ${result.policy.revision}\n`,
      )
    else {
      for (const { file, line, path, message } of result.problems)
        process.stdout.write(`${join(folder, file)}:${line} ${path === '' ? '' : `${path}: `}${message}\n`)
      process.stdout.write(
        `${result.problems.length} mistake${result.problems.length === 1 ? '' : 's'}. A sidecar would keep the last good policy.\n`,
      )
    }
    return result.ok ? 0 : 1
  },
}

function readFolder(folder: string): readonly PolicyFile[] {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw new UsageError(`${folder} is not a folder`)
  return listFiles(folder).map((path) => ({ path: relative(folder, path), text: readFileSync(path, 'utf8') }))
}

/** The files that a sidecar reads: links are followed, since a Kubernetes ConfigMap is a folder of them; no hidden ones. */
function listFiles(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .sort()
    .flatMap((name) => {
      const path = join(folder, name)
      const entry = statSync(path)
      if (entry.isDirectory()) return listFiles(path)
      return entry.isFile() && /\.ya?ml$/.test(name) ? [path] : []
    })
}
