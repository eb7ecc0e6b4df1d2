import type { Command, Script } from './syntax.ts'

const CHARS_MAX = 65_536
/** Commands of a pipeline that are followed. */
const PIPELINE_MAX = 12
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\x07',
  b: '\b',
  e: '\x1b',
  f: '\f',
  v: '\v',
}

/** What backslashes mean in `$'…'`, `echo -e` and `printf`. */
export function unescapeAnsi(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(
    /\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|0?([0-7]{1,3})|(.))/gs,
    (_, hex?: string, unicode?: string, octal?: string, char = '') => {
      if (hex ?? unicode) return String.fromCharCode(Number.parseInt(hex ?? unicode ?? '', 16))
      if (octal) return String.fromCharCode(Number.parseInt(octal, 8) & 255)
      return ESCAPES[char] ?? char
    },
  )
}

/** Base64 of either alphabet as text; `null` where it holds what is no text. */
function decodeBase64Text(text: string): string | null {
  const packed = text.replace(/\s/g, '')
  if (packed.length < 4 || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(packed)) return null
  const bytes = Buffer.from(packed, 'base64')
  const decoded = bytes.toString('utf8')
  return decoded.includes('�') || decoded.includes('\0') ? null : decoded
}

/** What a pipeline prints that ends in this command, if it only prints what is written in it; else `null`. */
function staticOutput(last: Command, depth = 0): string | null {
  if (depth > PIPELINE_MAX) return null
  const [name, ...args] = last.words.map(({ text }) => text)
  if (name === 'echo' || name === 'printf') return printed(name, args)
  const input = staticInput(last, depth)
  if (input === null) return null
  const has = (...wanted: readonly string[]): boolean => args.some((arg) => wanted.includes(arg))
  if (name === 'base64' && has('-d', '-D', '--decode', '-di')) return decodeBase64Text(input)
  if (name === 'openssl' && has('base64', '-base64') && has('-d')) return decodeBase64Text(input)
  if (name === 'xxd' && has('-r', '-rp', '-pr')) return Buffer.from(input.replace(/\s/g, ''), 'hex').toString('utf8')
  if (name === 'rev') return [...input.trimEnd()].toReversed().join('')
  if (name === 'tr') return translated(input, args)
  return name === 'cat' || name === 'tee' ? input : null
}

/** What a command reads that is written in the script: from a pipe, a here-document or a here-string. */
export function staticInput(command: Command, depth = 0): string | null {
  const here = command.redirects.findLast(({ kind }) => kind === 'here')
  if (here) return here.target.text
  return command.pipedFrom ? staticOutput(command.pipedFrom, depth + 1) : null
}

/** {@link staticOutput} of a substitution that is one pipeline. */
export function outputOf(script: Script): string | null {
  const last = script.at(-1)
  if (!last) return ''
  let first = last
  let length = 1
  for (; first.pipedFrom; length++) first = first.pipedFrom
  return length === script.length ? staticOutput(last) : null
}

function printed(name: 'echo' | 'printf', args: readonly string[]): string | null {
  if (name === 'echo') {
    const options = args.findIndex((arg) => !/^-[neE]+$/.test(arg))
    const text = options === -1 ? '' : args.slice(options).join(' ')
    return (args.slice(0, Math.max(0, options)).some((arg) => arg.includes('e')) ? unescapeAnsi(text) : text).slice(
      0,
      CHARS_MAX,
    )
  }
  const [format = '', ...values] = args
  let next = 0
  const filled = unescapeAnsi(format).replace(/%[sb]/g, () => values[next++] ?? '')
  return filled.slice(0, CHARS_MAX)
}

/** `tr` of a rotation or of single characters. */
function translated(input: string, args: readonly string[]): string | null {
  const [from = '', to = ''] = args.filter((arg) => !arg.startsWith('-')).map(spelledOut)
  if (args.some((arg) => arg.startsWith('-d'))) return [...input].filter((char) => !from.includes(char)).join('')
  return from === '' || to === ''
    ? null
    : [...input].map((char) => (from.includes(char) ? (to[from.indexOf(char)] ?? to.at(-1) ?? '') : char)).join('')
}

function spelledOut(set: string): string {
  return set
    .slice(0, 64)
    .replace(/\[:\w{5,6}:\]/g, '')
    .replace(/(.)-(.)/gs, (_, first: string, last: string) => {
      const [low, high] = [first.charCodeAt(0), last.charCodeAt(0)]
      return low > high || high - low > 128
        ? ''
        : String.fromCharCode(...Array.from({ length: high - low + 1 }, (_, index) => low + index))
    })
}
