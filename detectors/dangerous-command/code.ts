import type { Hit, JudgeNested } from './hit.ts'
import { type Needle, needlesIn } from './needles.ts'
import { credentialOf, deletionOf, METADATA_HOST, persistenceOf } from './paths.ts'
import type { CommandRuleId } from './rules.ts'
import { commandLine } from './shell/judge.ts'

/** Python, JavaScript, Ruby, Perl and PHP, as far as literals tell. */
const NEEDLES: readonly Needle[] = [
  { rule: 'reverse-shell', needle: 'dup2(', near: /socket|\.fileno\(\)/i },
  { rule: 'reverse-shell', needle: 'pty.spawn', near: /socket|connect\(|dup2/i },
  { rule: 'reverse-shell', needle: 'fsockopen(', near: /exec|proc_open|\/bin\/(?:ba)?sh|<&3/i },
  { rule: 'reverse-shell', needle: 'tcpsocket', near: /\/bin\/(?:ba)?sh|exec|popen/i },
  { rule: 'reverse-shell', needle: 'use socket', near: /exec|open\(stdin/i },
  { rule: 'reverse-shell', needle: 'net.socket(', near: /\/bin\/(?:ba)?sh|spawn|\.pipe\(/i },
  { rule: 'reverse-shell', needle: 'net.connect(', near: /\/bin\/(?:ba)?sh|spawn\(/i },
  { rule: 'reverse-shell', needle: 'createconnection(', near: /\/bin\/(?:ba)?sh|spawn\(/i },
  {
    rule: 'decode-execute',
    needle: 'b64decode(',
    near: /\b(?:exec|eval)\s{0,4}\(|os\.system|subprocess|marshal\.loads|compile\(/,
  },
  { rule: 'decode-execute', needle: 'unhexlify(', near: /\b(?:exec|eval)\s{0,4}\(|os\.system/ },
  { rule: 'decode-execute', needle: 'fromhex(', near: /\b(?:exec|eval)\s{0,4}\(|os\.system/ },
  { rule: 'decode-execute', needle: 'base64_decode(', near: /\b(?:eval|assert|system)\s{0,4}\(/i },
  { rule: 'decode-execute', needle: 'decode64(', near: /\beval\b|instance_eval|system/ },
  { rule: 'decode-execute', needle: 'atob(', near: /\beval\s{0,4}\(|new function\(|child_process|exec(?:sync)?\(/i },
  { rule: 'decode-execute', needle: "'base64'", near: /\beval\s{0,4}\(|new function\(|exec(?:sync)?\(/i },
  { rule: 'decode-execute', needle: 'zlib.decompress(', near: /\bexec\s{0,4}\(|marshal/ },
  {
    rule: 'download-execute',
    needle: 'exec(',
    near: /\bexec\s{0,4}\(\s{0,4}(?:requests\.get|urllib|urlopen|httpx\.get|__import__\(['"](?:urllib|requests))/,
  },
  {
    rule: 'download-execute',
    needle: 'eval(',
    near: /\beval\s{0,4}\(\s{0,4}(?:requests\.get|urllib|urlopen|await\s{1,4}\(?await\s{1,4}fetch|httpx\.get|file_get_contents\(['"]https?:)/,
  },
  {
    rule: 'unsafe-deserialization',
    needle: 'pickle.load',
    near: /requests\.get|urlopen|httpx|\.recv\(|b64decode|socket/,
  },
  { rule: 'unsafe-deserialization', needle: 'marshal.loads(', near: /requests\.get|urlopen|httpx|\.recv\(|b64decode/ },
  { rule: 'unsafe-deserialization', needle: 'yaml.unsafe_load(', near: /requests\.get|urlopen|httpx/ },
  {
    rule: 'environment-send',
    needle: 'os.environ',
    near: /requests\.(?:post|put|get)\([^)]*os\.environ(?![[.])|(?:data|json|params)\s{0,4}=\s{0,4}(?:dict\()?os\.environ(?![[.])|json\.dumps\(dict\(os\.environ/,
  },
  {
    rule: 'environment-send',
    needle: 'process.env',
    near: /json\.stringify\(\s{0,4}process\.env\s{0,4}\)[\s\S]*(?:fetch|https?\.request|axios|post)|(?:fetch|axios\.post|post)\([\s\S]*json\.stringify\(\s{0,4}process\.env\s{0,4}\)/i,
  },
  { rule: 'kill-everything', needle: 'os.kill(-1' },
]

/** Calls that run a command: what is in their parentheses is a command line, or its words. */
const RUNS =
  /(?:os\.(?:system|popen|exec[lv]p?e?)|subprocess\.(?:run|call|Popen|check_output|check_call|getoutput|getstatusoutput)|commands\.getoutput|exec(?:File)?(?:Sync)?|spawn(?:Sync)?|system|popen|shell_exec|passthru|proc_open|create_subprocess_shell|create_subprocess_exec|execa(?:Command)?|\$)\s{0,4}\(\s{0,20}|\bimport os;os\.system\(|[^\w](?=`)/g
const DELETES =
  /(?:rmtree|rmSync|fs\.rm|rm_rf|rm_r|remove_dir_all|rimraf(?:\.sync)?|removeSync|FileUtils\.rm_rf|rimrafSync|emptyDirSync)\s{0,4}\(\s{0,20}/g
const OPENS =
  /(?:open|readFile(?:Sync)?|read_text|Path|File\.read|file_get_contents|expanduser|createReadStream|IO\.read|writeFile(?:Sync)?|appendFile(?:Sync)?|read_bytes)\s{0,4}\(\s{0,20}/g
const STRING = /[rbfu]{0,2}(?:'((?:[^'\\\n]|\\.){0,4000})'|"((?:[^"\\\n]|\\.){0,4000})"|`((?:[^`\\]|\\.){0,4000})`)/y
const HOME_CALL =
  /(?:os\.path\.expanduser\(\s{0,4}|Path\.home\(\)|os\.homedir\(\)|Path\(\s{0,4}|homedir\(\)|Dir\.home)/y
const CALLS_MAX = 256

/** What a program does that it should not, as far as its literals tell. */
export function judgeCode(text: string, nested: JudgeNested): readonly Hit[] {
  const hits: Hit[] = [...needlesIn(text, text.toLowerCase(), NEEDLES)]
  const report = (rule: CommandRuleId | null, start: number, end: number): void => {
    if (rule) hits.push({ rule, start, end })
  }
  for (const { start, words, end } of callsOf(text, RUNS)) {
    const line = words.length > 1 ? commandLine(words) : (words[0] ?? '')
    for (const hit of nested(line, 'shell')) hits.push({ ...hit, start, end })
  }
  for (const { start, words, end } of callsOf(text, DELETES)) report(deletionOf(words[0] ?? ''), start, end)
  for (const { start, words, end } of callsOf(text, OPENS)) {
    const path = words[0] ?? ''
    const writes = /^[wax]/.test(words[1] ?? '') || /^(?:write|append)/.test(text.slice(start, start + 6))
    report(writes ? persistenceOf(path) : credentialOf(path), start, end)
    if (!writes && /^[~/]/.test(path) && words.length > 1) report(credentialOf(words.join('/')), start, end)
  }
  const metadata =
    text.includes('169.254.169.254') || text.includes('metadata.google.internal') ? METADATA_HOST.exec(text) : null
  if (metadata) report('cloud-metadata', metadata.index, metadata.index + metadata[0].length)
  return hits
}

interface Call {
  readonly start: number
  readonly end: number
  readonly words: readonly string[]
}

/** Calls whose first argument is a literal or a list of literals. */
function callsOf(text: string, pattern: RegExp): readonly Call[] {
  const calls: Call[] = []
  pattern.lastIndex = 0
  for (let match = pattern.exec(text); match && calls.length < CALLS_MAX; match = pattern.exec(text)) {
    const words: string[] = []
    let at = match.index + match[0].length
    let end = at
    HOME_CALL.lastIndex = at
    const home = HOME_CALL.exec(text)
    if (home) {
      at += home[0].length
      if (/home/i.test(home[0]) && !/expanduser/.test(home[0])) words.push('~')
    }
    for (let literals = 0; literals < 32; literals++) {
      at = skipped(text, at)
      STRING.lastIndex = at
      const literal = STRING.exec(text)
      if (!literal) break
      words.push((literal[1] ?? literal[2] ?? literal[3] ?? '').replace(/\\(['"\\])/g, '$1'))
      at += literal[0].length
      end = at
    }
    if (end > match.index + match[0].length || words.length > 0)
      calls.push({ start: match.index, end: Math.max(end, match.index + match[0].length), words: joinedHome(words) })
    pattern.lastIndex = Math.max(pattern.lastIndex, at)
    if (match[0] === '') pattern.lastIndex++
  }
  return calls
}

/** `Path.home() / '.ssh' / 'id_rsa'` is one path. */
const joinedHome = (words: readonly string[]): readonly string[] =>
  words[0] === '~' && words.length > 1 ? [words.join('/')] : words

function skipped(text: string, from: number): number {
  let at = from
  while (at < text.length && at < from + 40 && ' \t\n,[(/+'.includes(text[at] ?? '')) at++
  return at
}
