import type { Hit } from './hit.ts'
import type { CommandRuleId } from './rules.ts'

/** Statements of SQL: words in upper case and signs, without comments; of strings and quoted names only that they are there. */
interface Statement {
  readonly tokens: readonly string[]
  readonly start: number
  readonly end: number
}

const TOKEN =
  /--[^\n]*|\/\*!?|\*\/|'(?:[^'\\]|''|\\.)*'?|"[^"]*"?|`[^`]*`?|\$\$[^$]*\$\$|[A-Za-z_@#][\w@$#.]*|\d[\w.]*|;|\S/gy

/** Whether a text begins as a statement of SQL does. */
export const looksLikeSql = (text: string): boolean =>
  /^\s{0,200}(?:--[^\n]{0,200}\n\s{0,200})?(?:select\s|insert\s+into\s|update\s+\S{1,200}\s+set\s|delete\s+from\s|drop\s+(?:table|database|schema|view|user|role|index)\s|truncate\s+(?!-)|alter\s+(?:table|user|role|database|system)\s|create\s+(?:or\s|table|user|role|database|function|extension)|grant\s|revoke\s|copy\s|exec(?:ute)?\s|with\s+\w{1,64}\s+as\s|begin\s*;|merge\s+into\s)/i.test(
    text,
  )

/** What statements do that they should not. */
export function judgeSql(text: string): readonly Hit[] {
  return statementsOf(text).flatMap(({ tokens, start, end }) => {
    const rule = ruleOf(tokens)
    return rule ? [{ rule, start, end }] : []
  })
}

function statementsOf(text: string): readonly Statement[] {
  const statements: Statement[] = []
  let tokens: string[] = []
  let [start, end, comment] = [-1, 0, false]
  const finish = (): void => {
    if (tokens.length > 0) statements.push({ tokens, start, end })
    tokens = []
    start = -1
  }
  TOKEN.lastIndex = 0
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at)
    if (code === 32 || (code >= 9 && code <= 13)) {
      at++
      continue
    }
    TOKEN.lastIndex = at
    const token = TOKEN.exec(text)?.[0]
    if (token === undefined) break
    at += token.length
    if (comment) {
      if (token === '*/') comment = false
    } else if (token === '/*') comment = true
    // What MySQL runs although it looks like a comment.
    else if (token === '/*!' || token === '*/' || token.startsWith('--')) continue
    else if (token === ';') finish()
    else {
      if (start === -1) start = at - token.length
      tokens.push(/^['"`$]/.test(token) ? (token.length < 256 ? token : "'…'") : token.toUpperCase())
      end = at
    }
  }
  finish()
  return statements
}

const TEMPORARY = /^["`]?(?:#|(?:\w+\.)?_{0,2}(?:te?mp|staging|stg|scratch|test|backup)_?)/i

function ruleOf(tokens: readonly string[]): CommandRuleId | null {
  const [first = '', second = ''] = tokens
  if (tokens.some((token) => /^(?:MASTER\.\.|SYS\.|DBO\.)?XP_(?:CMDSHELL|REGWRITE|DIRTREE)$|^SP_OACREATE$/.test(token)))
    return 'sql-execute'
  if (first === 'COPY' && tokens.includes('PROGRAM')) return 'sql-execute'
  if (
    /^(?:CREATE|SELECT)$/.test(first) &&
    tokens.some((token) => /^(?:SYS_EXEC|SYS_EVAL|DBMS_SCHEDULER\.CREATE_JOB)$/.test(token))
  )
    return 'sql-execute'
  if (
    follows(tokens, 'INTO', /^(?:OUTFILE|DUMPFILE)$/) ||
    tokens.some((token) =>
      /^(?:LOAD_FILE|PG_READ_FILE|PG_READ_BINARY_FILE|LO_IMPORT|LO_EXPORT|UTL_FILE\.FOPEN)$/.test(token),
    )
  )
    return 'sql-file-access'
  if (first === 'DROP') return /^(?:TABLE|DATABASE|SCHEMA|TABLESPACE|USER|ROLE)$/.test(second) ? dropped(tokens) : null
  if (first === 'TRUNCATE') return TEMPORARY.test(tokens[second === 'TABLE' ? 2 : 1] ?? '') ? null : 'sql-truncate'
  if (
    first === 'ALTER' &&
    /^(?:USER|ROLE)$/.test(second) &&
    tokens.some((token) => /^(?:SUPERUSER|BYPASSRLS)$/.test(token))
  )
    return 'sql-grant-all'
  if (first === 'GRANT' && /^(?:ALL|DBA|SUPER|SUPERUSER|PG_EXECUTE_SERVER_PROGRAM)$/.test(second.replace(',', '')))
    return 'sql-grant-all'
  const verb =
    first === 'WITH' || first === 'EXPLAIN' ? tokens.find((token) => /^(?:DELETE|UPDATE)$/.test(token)) : first
  if (verb === 'DELETE' && tokens.includes('FROM'))
    return isUnbounded(tokens) && !TEMPORARY.test(tokens[tokens.indexOf('FROM') + 1] ?? '') ? 'sql-delete-all' : null
  return verb === 'UPDATE' && first === 'UPDATE' && tokens.includes('SET')
    ? isUnbounded(tokens)
      ? 'sql-update-all'
      : null
    : null
}

function dropped(tokens: readonly string[]): CommandRuleId | null {
  const at = tokens[2] === 'IF' ? 4 : 2
  return TEMPORARY.test(tokens[at] ?? '') ? null : 'sql-drop'
}

const follows = (tokens: readonly string[], token: string, next: RegExp): boolean => {
  const at = tokens.indexOf(token)
  return at !== -1 && next.test(tokens[at + 1] ?? '')
}

/** Without a condition, or with one that always holds. */
function isUnbounded(tokens: readonly string[]): boolean {
  const where = tokens.indexOf('WHERE')
  if (where === -1) return !tokens.includes('LIMIT') && !tokens.includes('JOIN') && !tokens.includes('USING')
  const condition = tokens.slice(where + 1).join(' ')
  return (
    /^(?:TRUE|1|NOT FALSE|1 = 1|'1' = '1'|1 < > 0|1 < 2|2 > 1|'([^']{0,8})' = '\1')(?: (?:OR|LIMIT|RETURNING) .*)?$/.test(
      condition,
    ) || / OR (?:1 = 1|'1' = '1|TRUE)(?: |$)/.test(condition)
  )
}

const STACKED =
  /['")\d]\s{0,20};\s{0,20}(?:drop\s{1,20}(?:table|database)|truncate\s{1,20}table|delete\s{1,20}from|update\s{1,20}\w{1,64}\s{1,20}set|insert\s{1,20}into|exec(?:ute)?\s{0,20}[\s(]\s{0,20}(?:xp_|sp_)|shutdown)\b/i
const UNION =
  /['")\d]\s{0,20}(?:\/\*.{0,40}?\*\/\s{0,20})?union(?:\s|\/\*.{0,40}?\*\/|\+){1,20}(?:all(?:\s|\/\*.{0,40}?\*\/|\+){1,20})?select\b/i
const ALWAYS_TRUE =
  /['"]\s{0,20}\)?\s{0,20}(?:or|\|\|)\s{1,20}(?:'([^']{0,16})'\s{0,4}=\s{0,4}'\1|"([^"]{0,16})"\s{0,4}=\s{0,4}"\2|1\s{0,4}=\s{0,4}1\b|true\s{0,4}(?:--|#))/i
const TIMED =
  /['")\d]\s{0,20}(?:;|and|or)\s{1,20}(?:waitfor\s{1,20}delay\s{1,20}'|(?:select\s{1,20})?(?:pg_)?sleep\s{0,4}\(|benchmark\s{0,4}\()/i

/** An attack on somebody's query, in an argument that is no query itself. Looks at the first 4 096 characters. */
export function injectionIn(value: string): Hit | null {
  const text = value.slice(0, 4_096)
  if (!/union|;|\bor\b|\|\||sleep|waitfor|benchmark/i.test(text)) return null
  for (const pattern of [STACKED, UNION, ALWAYS_TRUE, TIMED]) {
    const match = pattern.exec(text)
    if (match) return { rule: 'sql-injection', start: match.index, end: match.index + match[0].length }
  }
  return null
}
