import type { Hit, JudgeNested, Language } from '../hit.ts'
import { isDisk } from '../paths.ts'
import type { CommandRuleId } from '../rules.ts'
import { parseShell } from './parse.ts'
import { access, asksMetadata, readsCredentials } from './rules/access.ts'
import { type InvocationRule, isInterpreter, isShell, type RulesByProgram, readsProgram } from './rules/common.ts'
import { destruction, formats } from './rules/destruction.ts'
import { executesFetched, executesSaved, handsOutShell, isSocketPath, sends } from './rules/network.ts'
import { operations } from './rules/operations.ts'
import { assignmentRule, redirectionRule, system } from './rules/system.ts'
import { staticInput } from './static-output.ts'
import type { Command, Script } from './syntax.ts'
import { hasOption, type Invocation, invocationsOf, operands, optionValues } from './unwrap.ts'

const BY_PROGRAM: readonly RulesByProgram[] = [destruction, access, system, operations]
const OF_EVERYTHING: readonly InvocationRule[] = [
  executesFetched,
  handsOutShell,
  sends,
  readsCredentials,
  formats,
  asksMetadata,
]
/** `:(){ :|:& };:` under any name. */
const MAYBE_BOMB = /\(\)\s{0,8}\{[^}\n]{1,80}&\s{0,8}\}/
const FORK_BOMB = /(?<![\w.])([:\w.]{1,32})\s{0,8}\(\)\s{0,8}\{\s{0,8}\1\s{0,8}\|\s{0,8}\1\s{0,8}&\s{0,8}\}/

/** What a shell script does that it should not. */
export function judgeShell(text: string, nested: JudgeNested): readonly Hit[] {
  const hits: Hit[] = []
  const bomb = MAYBE_BOMB.test(text) ? FORK_BOMB.exec(text) : null
  if (bomb) hits.push({ rule: 'fork-bomb', start: bomb.index, end: bomb.index + bomb[0].length })
  judgeScript(parseShell(text), hits, nested)
  return hits
}

function judgeScript(script: Script, hits: Hit[], nested: JudgeNested): void {
  const late = executesSaved(script)
  if (late) hits.push({ rule: 'download-execute', start: late.start, end: late.end })
  for (const command of script) {
    judgeCommand(command, hits, nested)
    for (const { scripts } of [
      ...command.words,
      ...command.assignments,
      ...command.redirects.map(({ target }) => target),
    ]) {
      for (const inner of scripts) judgeInner(inner, command, hits, nested)
    }
  }
}

/** `export $(cat .env | xargs)` and `x=$(cat .env)` show it to nobody. */
function judgeInner(script: Script, outer: Command, hits: Hit[], nested: JudgeNested): void {
  const inner: Hit[] = []
  judgeScript(script, inner, nested)
  const keepsIt = outer.words.length === 0 || /^(?:export|declare|env|set|eval)$/.test(outer.words[0]?.text ?? '')
  hits.push(...(keepsIt ? inner.filter(({ rule }) => rule !== 'dotenv-read') : inner))
}

function judgeCommand(command: Command, hits: Hit[], nested: JudgeNested): void {
  const { start, end } = command
  const report = (rule: CommandRuleId | null): void => {
    if (rule) hits.push({ rule, start, end })
  }
  for (const { text } of command.assignments) report(assignmentRule(text))
  for (const invocation of invocationsOf(command)) {
    for (const rules of BY_PROGRAM)
      if (Object.hasOwn(rules, invocation.name)) report(rules[invocation.name]?.(invocation) ?? null)
    for (const rule of OF_EVERYTHING) report(rule(invocation))
    for (const { text, language } of programsOf(invocation)) {
      for (const hit of nested(text, language)) hits.push({ ...hit, start, end })
    }
  }
  judgeRedirects(command, report)
}

function judgeRedirects(command: Command, report: (rule: CommandRuleId | null) => void): void {
  const [first] = command.words
  const names = invocationsOf(command).map(({ name }) => name)
  for (const { kind, target } of command.redirects) {
    if (kind === 'here') continue
    if (isSocketPath(target.text)) {
      // A redirection alone asks whether a port is open.
      if (names.some((name) => isShell(name) || name === 'exec')) report('reverse-shell')
      else if (kind === 'out' && names.some((name) => /^(?:cat|tar|base64|env|printenv|gzip)$/.test(name)))
        report('file-send')
    } else if (kind === 'out') {
      if (isDisk(target.text)) report('wipe-disk')
      report(redirectionRule(target.text))
      if (/^\/etc\/(?:hosts|resolv\.conf|fstab|passwd|nsswitch\.conf)$/.test(target.text) && first)
        report('overwrite-system-file')
    }
  }
}

interface Program {
  readonly text: string
  readonly language: Language
}

/** The programs that a command is given as text. */
function programsOf(invocation: Invocation): readonly Program[] {
  const { name, args, command } = invocation
  const shell = (text: string | undefined): readonly Program[] =>
    text === undefined ? [] : [{ text, language: 'shell' }]
  if (name === 'pwsh' || name === 'powershell')
    return [{ text: command.words.map(({ text }) => text).join(' '), language: 'powershell' }]
  if (name === 'cmd') return shell(/^\/[ck]$/i.test(args[0] ?? '') ? args.slice(1).join(' ') : undefined)
  if (name === 'eval') return shell(args.join(' '))
  if (name === 'trap') return shell(args[0])
  if (name === 'crontab' || name === 'at') return []
  if (isShell(name) || name === 'su' || name === 'runuser')
    return [
      ...given(args, /^-[a-z]*c$|^--command$/).flatMap(shell),
      ...(readsProgram(invocation) ? shell(staticInput(command) ?? undefined) : []),
    ]
  if (name === 'ssh') return shell(remoteCommand(args))
  if (/^(?:docker|podman|nerdctl|kubectl|oc|crictl|k)$/.test(name)) return shell(insideContainer(args))
  if (isInterpreter(name)) {
    const texts = [
      ...given(args, /^-[a-zA-Z]*[cer]$|^--eval$|^-p$/),
      ...(readsProgram(invocation) ? [staticInput(command) ?? ''] : []),
    ]
    return texts.map((text) => ({ text, language: 'code' }))
  }
  if (name === 'awk' || name === 'gawk')
    return args.flatMap((arg) =>
      [.../system\("([^"]{1,500})"\)/g[Symbol.matchAll](arg)].flatMap(([, text]) => shell(text)),
    )
  return sqlPrograms(invocation)
}

const given = (args: readonly string[], option: RegExp): readonly string[] =>
  args.flatMap((arg, index) => (option.test(arg) ? (args[index + 1] ?? []) : []))

function sqlPrograms({ name, args, command }: Invocation): readonly Program[] {
  const input = staticInput(command)
  const texts = ((): readonly string[] => {
    if (name === 'psql') return optionValues(args, '-c', '--command')
    if (name === 'mysql' || name === 'mariadb') return optionValues(args, '-e', '--execute')
    if (name === 'sqlcmd' || name === 'bq')
      return name === 'bq' ? operands(args).slice(1) : optionValues(args, '-Q', '-q')
    if (/^(?:sqlite3?|duckdb|clickhouse-client|snowsql)$/.test(name))
      return [...operands(args).slice(1), ...optionValues(args, '-q', '--query')]
    return []
  })()
  const isClient = texts.length > 0 || /^(?:psql|mysql|mariadb|sqlite3?|sqlcmd|duckdb)$/.test(name)
  return [...texts, ...(isClient && input !== null ? [input] : [])].map((text) => ({ text, language: 'sql' }))
}

function remoteCommand(args: readonly string[]): string | undefined {
  const takesValue = /^-[bcDEeFIiJLlmOopQRSWw]$/
  const host = args.findIndex((arg, index) => !arg.startsWith('-') && !takesValue.test(args[index - 1] ?? ''))
  return host === -1 || host + 1 >= args.length ? undefined : args.slice(host + 1).join(' ')
}

/** What `docker run … sh -c '…'` and `kubectl exec … -- …` run; in a container only what reaches out of it matters. */
function insideContainer(args: readonly string[]): string | undefined {
  if (!args.includes('exec') && !hasOption(args, '', '--')) return undefined
  const dashes = args.indexOf('--')
  const shellAt = args.findIndex((arg) => /(?:^|\/)(?:ba|da|z|a)?sh$/.test(arg))
  const from = dashes !== -1 ? dashes + 1 : shellAt
  return from <= 0 ? undefined : args.slice(from).map(quoted).join(' ')
}

const quoted = (arg: string): string => `'${arg.replaceAll("'", "'\\''")}'`

/** For those who have the words of a command and no text of it. */
export const commandLine = (words: readonly string[]): string => words.map(quoted).join(' ')
