import { staticInput } from './static-output.ts'
import type { Command, Word } from './syntax.ts'

/** What is run in the end: without what only changes how (`sudo`, `env`, `timeout`, `xargs`, …). */
export interface Invocation {
  /** The program's name in lower case, without its folder. */
  readonly name: string
  readonly args: readonly string[]
  readonly argWords: readonly Word[]
  readonly command: Command
  /** True where more arguments come from what it reads. */
  readonly argsFromInput: boolean
}

interface Wrapper {
  /** Options that take a value of their own. */
  readonly valued?: string
  /** Arguments in front of the command that is run. */
  readonly positional?: number
}

const WRAPPERS: Readonly<Record<string, Wrapper>> = {
  sudo: { valued: '-u -g -h -p -C -r -t -T -U -D --user --group --prompt --chdir' },
  doas: { valued: '-u -C' },
  env: { valued: '-u -C --unset --chdir' },
  nohup: {},
  setsid: {},
  time: { valued: '-f -o' },
  nice: { valued: '-n --adjustment' },
  ionice: { valued: '-c -n -p' },
  timeout: { valued: '-s -k --signal --kill-after', positional: 1 },
  gtimeout: { valued: '-s -k', positional: 1 },
  stdbuf: { valued: '-i -o -e' },
  command: {},
  builtin: {},
  exec: { valued: '-a' },
  busybox: {},
  toybox: {},
  xargs: { valued: '-I -n -P -L -d -s -E -a --max-args --max-procs --delimiter' },
  parallel: { valued: '-j --jobs' },
  watch: { valued: '-n --interval' },
  chroot: { positional: 1 },
  flock: { positional: 1, valued: '-w' },
  unshare: {},
  nsenter: { valued: '-t --target' },
  strace: { valued: '-e -o -p -s' },
  proxychains: { valued: '-f' },
  proxychains4: { valued: '-f' },
  torsocks: {},
  caffeinate: { valued: '-t' },
  unbuffer: {},
  runuser: { valued: '-u -g' },
  start: {},
  noglob: {},
}
/** `sudo env nohup …`: nobody nests them deeper in earnest. */
const WRAPPERS_MAX = 12

/** What a command runs: itself, or what it wraps; of `find` every `-exec`, and `find` itself. */
export function invocationsOf(command: Command): readonly Invocation[] {
  return unwrapped(command, command.words, false, 0)
}

function unwrapped(
  command: Command,
  words: readonly Word[],
  argsFromInput: boolean,
  depth: number,
): readonly Invocation[] {
  const [first, ...argWords] = words
  if (!first) return []
  const name = programName(first.text)
  const itself = { name, args: argWords.map(({ text }) => text), argWords, command, argsFromInput }
  if (depth >= WRAPPERS_MAX) return [itself]
  if (name === 'find') return [itself, ...executedByFind(command, argWords, depth)]
  const wrapper = Object.hasOwn(WRAPPERS, name) ? WRAPPERS[name] : undefined
  if (!wrapper || (name === 'command' && /^-[vV]/.test(itself.args[0] ?? ''))) return [itself]
  const inner = argWords.slice(wrappedAt(itself.args, wrapper))
  if (inner.length === 0) return [itself]
  const isFed = name === 'xargs' || name === 'parallel'
  return unwrapped(command, isFed ? [...inner, ...fed(command)] : inner, argsFromInput || isFed, depth + 1)
}

/** The words that `xargs` adds, where they are written in the script. */
function fed(command: Command): readonly Word[] {
  const input = staticInput(command)?.slice(0, 4_096).split(/\s+/) ?? []
  return input
    .filter((text) => text !== '')
    .map((text) => ({ text, start: command.start, end: command.end, scripts: [] }))
}

function wrappedAt(args: readonly string[], { valued = '', positional = 0 }: Wrapper): number {
  const takesValue = new Set(valued.split(' '))
  let left = positional
  let at = 0
  for (; at < args.length; at++) {
    const arg = args[at] ?? ''
    if (arg === '--') {
      if (left === 0) return at + 1
    } else if (arg.startsWith('-') && arg.length > 1) {
      if (takesValue.has(arg)) at++
    } else if (!/^[A-Za-z_]\w{0,63}=/.test(arg)) {
      if (left === 0) break
      left--
    }
  }
  return at
}

function executedByFind(command: Command, argWords: readonly Word[], depth: number): readonly Invocation[] {
  const found: Invocation[] = []
  for (let at = 0; at < argWords.length; at++) {
    if (!/^-(?:exec|execdir|ok|okdir)$/.test(argWords[at]?.text ?? '')) continue
    let end = at + 1
    while (end < argWords.length && argWords[end]?.text !== ';' && argWords[end]?.text !== '+') end++
    // Where find looks stands in for what it finds, if that is everything.
    const everything = filters(argWords.map(({ text }) => text)) ? '{}' : (argWords[0]?.text ?? '{}')
    const inner = argWords.slice(at + 1, end).map((word) => (word.text === '{}' ? { ...word, text: everything } : word))
    found.push(...unwrapped(command, inner, false, depth + 1))
    at = end
  }
  return found
}

/** Whether `find` takes only some of the files. */
export const filters = (args: readonly string[]): boolean =>
  args.some(
    (arg, index) =>
      /^-(?:[im]?(?:name|path|regex|wholename|newer\w*)|[acm](?:time|min)|size|empty|user|maxdepth|perm)$/.test(arg) &&
      !/^\*(?:\.\*)?$/.test(args[index + 1] ?? ''),
  )

/** The name of a program as it is compared. */
export function programName(path: string): string {
  const name = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1).toLowerCase()
  return name.endsWith('.exe') ? name.slice(0, -4) : name
}

/** Whether one of the single letters stands in a bundle of short options, or one of the long options is given. */
export function hasOption(args: readonly string[], letters: string, ...long: readonly string[]): boolean {
  return args.some((arg) => {
    if (arg.startsWith('--')) return long.some((name) => arg === name || arg.startsWith(`${name}=`))
    return /^-[A-Za-z0-9]+$/.test(arg) && [...letters].some((letter) => arg.includes(letter, 1))
  })
}

/** The value behind one of these options, `-o FILE`, `-oFILE` (for single letters) or `--output=FILE`; all of them. */
export function optionValues(args: readonly string[], ...names: readonly string[]): readonly string[] {
  return args.flatMap((arg, index) => {
    for (const name of names) {
      if (arg === name) return args[index + 1] ?? []
      if (name.startsWith('--') ? arg.startsWith(`${name}=`) : arg.startsWith(name) && !arg.startsWith('--')) {
        return arg.slice(name.length).replace(/^=/, '')
      }
    }
    return []
  })
}

/** Arguments that are no options. */
export const operands = (args: readonly string[]): readonly string[] =>
  args.filter((arg) => !arg.startsWith('-') || arg === '-')
