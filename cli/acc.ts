/** `acc`: starts the system on this machine, drives a demo through it, tells what was spent, checks policy. */
import { nearest } from '@agentcostcontrol/policy'
import { backup, restore } from './commands/backup.ts'
import { demo } from './commands/demo.ts'
import { policyLint } from './commands/policy-lint.ts'
import { release } from './commands/release.ts'
import { spend } from './commands/spend.ts'
import { up } from './commands/up.ts'
import { verify } from './commands/verify.ts'
import { type Command, UsageError } from './support/command.ts'

const HELP = new Set(['--help', '-h', 'help'])
const COMMANDS: readonly Command[] = [up, demo, spend, verify, backup, restore, release, policyLint]

function overview(): string {
  const lines = COMMANDS.map(({ name, summary }) => `  acc ${name.padEnd(14)} ${summary}`)
  return `acc: AgentCostControl on this machine\n\n${lines.join('\n')}\n\n"acc COMMAND --help" tells more of one.\n`
}

/** The command that the words begin with, and the words behind it. */
function find(words: readonly string[]): { readonly command: Command; readonly rest: readonly string[] } | null {
  for (const command of COMMANDS) {
    const name = command.name.split(' ')
    if (name.every((word, at) => words[at] === word)) return { command, rest: words.slice(name.length) }
  }
  return null
}

function guess(words: readonly string[]): string {
  const names = COMMANDS.map(({ name }) => name)
  const meant =
    nearest(words.slice(0, 2).join(' '), names) ??
    nearest(words[0] ?? '', names) ??
    names.find((name) => name.startsWith(`${words[0]} `))
  return meant === undefined ? '' : ` Did you mean "acc ${meant}"?`
}

async function main(words: readonly string[]): Promise<number> {
  if (words.length === 0 || (words.length === 1 && HELP.has(words[0] ?? ''))) {
    process.stdout.write(overview())
    return words.length === 0 ? 2 : 0
  }
  if (words[0] === 'help') return main([...words.slice(1), '--help'])
  const found = find(words)
  if (!found) {
    process.stderr.write(`acc: there is no command "${words.join(' ')}".${guess(words)}\n\n${overview()}`)
    return 2
  }
  if (found.rest.some((word) => word === '--help' || word === '-h')) {
    process.stdout.write(`acc ${found.command.name}: ${found.command.summary}\n\n${found.command.help}\n`)
    return 0
  }
  return found.command.run(found.rest)
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`acc: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
