import type { Leaf } from './json-leaves.ts'
import { programName } from './shell/unwrap.ts'

/**
 * What an argument is to its tool. `command`, `code` and `sql` are run; `path` and `url` are opened; a `query` is looked up; `content` is written
 * somewhere; `prose` is for people; of `unknown` only its own look tells.
 */
export type LeafKind = 'command' | 'code' | 'sql' | 'query' | 'path' | 'url' | 'content' | 'prose' | 'unknown'

const PROSE =
  /^(?:description|reason|reasoning|explanation|thoughts?|thinking|title|summary|comment|comments|justification|subject|note|notes|label|name|intent|goal|plan|todo|todos|prompt|question|answer|activeform|caption|commit_?message|old_?str(?:ing)?|pattern|regex|glob|language|lang)$/
const COMMAND =
  /^(?:commands?|cmds?|cmdline|command_?line|shell|shell_?command|bash|bash_?command|argv|scripts?|run|exec|execute|keystrokes|terminal_?input|powershell|ps_?command|entrypoint)$/
const CODE =
  /^(?:code|python|python_?code|javascript|js|source|source_?code|program|snippet|cell|cell_?source|expression|function_?body|eval)$/
const SQL = /^(?:sql|sql_?query|sqls?|statement|statements|sql_?statement|dml|ddl)$/
const PATH =
  /^(?:path|paths|file|files|file_?path|filepath|file_?name|filename|target|target_?file|destination|dest|dst|source_?path|src|directory|dir|folder|notebook_?path|absolute_?path|relative_?path|uri|old_?path|new_?path)$/
const URL_KEY = /^(?:urls?|link|href|endpoint|host|address|webhook|callback_?url|base_?url)$/
const CONTENT =
  /^(?:content|contents|text|body|html|markdown|message|new_?str(?:ing)?|new_?source|file_?text|insert_?text|patch|diff|data|payload|replacement|document|value|output|input_?text)$/

const SHELL_TOOL =
  /(?:^|[_.\-/\s])(?:bash|sh|shell|zsh|terminal|console|exec|execute|cmd|command|run|process|ssh|powershell|pwsh)(?:$|[_.\-/\s])|run_?(?:command|shell|terminal|bash|script|process)|exec(?:ute)?_?(?:command|shell|bash|process)|shell_?(?:command|tool|exec)|local_?shell/i
const CODE_TOOL =
  /python|jupyter|notebook|ipython|code_?(?:interpreter|execution|exec|runner)|(?:run|exec(?:ute)?)_?(?:code|js|javascript|node|cell)|javascript|(?:^|[_.-])(?:node|repl|eval)(?:$|[_.-])/i
const SQL_TOOL =
  /sql|postgres|(?:^|[_.-])(?:mysql|mariadb|sqlite|bigquery|snowflake|redshift|clickhouse|duckdb|database|db)(?:$|[_.-])|db_?query|query_?db/i
const WRITE_TOOL = /write|create|save|edit|append|update|put|replace|insert|upload|patch/i

/** What an argument is, by its key and its tool's name. */
export function kindOf({ key }: Leaf, tool: string): LeafKind {
  const name = key.replace(/([a-z])([A-Z])/g, '$1_$2').toLowerCase()
  if (COMMAND.test(name)) return CODE_TOOL.test(tool) && !SHELL_TOOL.test(tool) ? 'code' : 'command'
  if (SQL.test(name)) return 'sql'
  if (PROSE.test(name)) return 'prose'
  if (CODE.test(name)) return SHELL_TOOL.test(tool) && !CODE_TOOL.test(tool) ? 'command' : 'code'
  if (name === 'query' || name === 'queries' || name === 'q') return SQL_TOOL.test(tool) ? 'sql' : 'query'
  if (name === 'input' || name === 'args' || name === 'arguments' || name === '' || name === 'params')
    return byTool(tool)
  if (URL_KEY.test(name)) return 'url'
  if (PATH.test(name)) return 'path'
  return CONTENT.test(name) ? 'content' : 'unknown'
}

function byTool(tool: string): LeafKind {
  if (SHELL_TOOL.test(tool)) return 'command'
  if (SQL_TOOL.test(tool)) return 'sql'
  return CODE_TOOL.test(tool) ? 'code' : 'unknown'
}

/** Whether a tool writes what it is given, by its name. */
export const writes = (tool: string): boolean => WRITE_TOOL.test(tool)

/** Whether a file is a program, by its name or its first line. */
export function isProgram(path: string, content: string): boolean {
  return (
    /\.(?:sh|bash|zsh|command|ps1|psm1|bat|cmd)$/i.test(path) ||
    (content.startsWith('#!') && /^#![^\n]{0,80}\b(?:ba|z|da|k)?sh\b/.test(content))
  )
}

/** Whether the words of an array are one command: its first names a program. */
export const isArgv = (words: readonly string[]): boolean =>
  words.length > 1 && /^[a-z0-9._+-]{1,40}$/.test(programName(words[0] ?? '')) && !/\s/.test(words[0] ?? '')
