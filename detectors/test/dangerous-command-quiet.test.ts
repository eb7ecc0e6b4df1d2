import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { dangerousCommandDetector as detector } from '../dangerous-command/detector.ts'
import {
  HONEST_CALLS,
  HONEST_CODE,
  HONEST_POWERSHELL,
  HONEST_SCRIPTS,
  HONEST_SHELL,
  HONEST_SQL,
} from './support/honest-commands.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const rules = (args: unknown, tool: string): readonly string[] =>
  detector.detect(JSON.stringify(args), { source: 'tool_call', tool }).map(({ ruleId }) => ruleId)

t.test('what developers run all day is let be', async (t) => {
  const shell = [...HONEST_SHELL, ...HONEST_SCRIPTS]
  t.ok(shell.length > 300, `${shell.length} commands`)
  for (const text of shell) {
    t.same(rules({ command: text }, 'bash'), [], text)
    t.same(rules({ command: ['bash', '-lc', text] }, 'shell'), [], text)
    t.same(rules({ input: text }, 'tool'), [], text)
  }
  for (const text of HONEST_SQL)
    t.same([...rules({ query: text }, 'execute_sql'), ...rules({ q: text }, 'tool')], [], text)
  for (const text of HONEST_CODE)
    t.same([...rules({ code: text }, 'python'), ...rules({ any: text }, 'tool')], [], text)
  for (const text of HONEST_POWERSHELL) t.same(rules({ command: text }, 'powershell'), [], text)
  for (const { tool, args } of HONEST_CALLS) t.same(rules(args, tool), [], JSON.stringify(args))
})

t.test('of the scripts of all packages below node_modules only those that publish are told', async (t) => {
  const counts = { scripts: 0, found: 0 }
  for (const file of globSync('node_modules/**/package.json', { cwd: ROOT })) {
    for (const command of scriptsOf(join(ROOT, file))) {
      counts.scripts++
      const found = rules({ command }, 'bash').filter((rule) => rule !== 'package-publish')
      counts.found += found.length
      if (found.length > 0) t.comment(`${found.join()} in ${command}`)
    }
  }
  t.comment(JSON.stringify(counts))
  t.ok(counts.scripts > 1_000, 'there was something to look at')
  t.ok(counts.found <= counts.scripts / 1_000, 'one in a thousand at most')
})

function scriptsOf(file: string): readonly string[] {
  try {
    const { scripts } = JSON.parse(readFileSync(file, 'utf8')) as { scripts?: Record<string, unknown> }
    return Object.values(scripts ?? {}).filter((script) => typeof script === 'string')
  } catch {
    return []
  }
}
