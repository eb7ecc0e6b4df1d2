import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { PolicyProblem } from '@agentcostcontrol/policy'
import { type Command, readWords, UsageError } from '../support/command.ts'
import { planeTool } from '../support/plane-tool.ts'

/** What the sidecar says of a folder. */
type Verdict =
  | {
      readonly ok: true
      readonly files: number
      readonly budgets: number
      /** Cases of PolicyTests, all of which passed. */
      readonly tests: number
      readonly revision: string
    }
  | { readonly ok: false; readonly problems: readonly PolicyProblem[] }

/** `acc policy lint`: says of a folder what a sidecar would say. */
export const policyLint: Command = {
  name: 'policy lint',
  summary: 'checks a folder of policy YAML as a sidecar would',
  help: '  acc policy lint FOLDER [--json]\n\nPrints file:line path: message for each mistake; the exit code is 1 if there is one.',
  run: async (words) => {
    const { positionals, flags } = readWords(words, { flags: ['json'], positionals: ['FOLDER'] })
    const [folder] = positionals
    if (folder === undefined) throw new UsageError('usage: acc policy lint FOLDER [--json]')
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw new UsageError(`${folder} is not a folder`)
    const verdict: Verdict = JSON.parse(await planeTool('sidecar/policy-lint.ts', [folder]))
    process.stdout.write(flags.has('json') ? `${JSON.stringify(verdict)}\n` : sentences(folder, verdict))
    return verdict.ok ? 0 : 1
  },
}

function sentences(folder: string, verdict: Verdict): string {
  if (verdict.ok)
    return `${count(verdict.files, 'file')}, ${count(verdict.budgets, 'budget')}: valid, and ${count(verdict.tests, 'test')} passed. Revision ${verdict.revision}\n`
  const lines = verdict.problems.map(
    ({ file, line, path, message }) => `${join(folder, file)}:${line} ${path === '' ? '' : `${path}: `}${message}\n`,
  )
  return `${lines.join('')}${count(verdict.problems.length, 'mistake')}. A sidecar would keep the last good policy.\n`
}

const count = (amount: number, thing: string): string => `${amount} ${thing}${amount === 1 ? '' : 's'}`
