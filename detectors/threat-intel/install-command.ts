import type { Ecosystem } from './indicator.ts'

/** A command that installs or runs packages. */
export interface Command {
  readonly ecosystem: Ecosystem
  readonly specs: readonly Spec[]
  /** Where its tool's name begins. */
  readonly start: number
  readonly end: number
  /** Whether it may go on with more text behind it. */
  readonly open: boolean
}

/** A package as a command names it. */
export interface Spec {
  readonly name: string
  /** `null` for whichever is the newest, and where it is not one. */
  readonly version: string | null
  readonly start: number
  readonly end: number
}

/** Most characters of a command that are read. */
export const COMMAND_CHARS_MAX = 512
const SPECS_MAX = 32

interface Installer {
  readonly ecosystem: Ecosystem
  /** What may follow the tool; `null` where packages do at once. */
  readonly verbs: ReadonlySet<string> | null
}

const installer = (ecosystem: Ecosystem, verbs: string | null): Installer => ({
  ecosystem,
  verbs: verbs === null ? null : new Set(verbs.split(' ')),
})

const NPM = installer('npm', 'install i in add ci exec x dlx create update up')
const INSTALLERS: ReadonlyMap<string, Installer> = new Map([
  ['npm', NPM],
  ['pnpm', NPM],
  ['npx', installer('npm', null)],
  ['yarn', installer('npm', 'add dlx create')],
  ['bun', installer('npm', 'add install i x')],
  ['bunx', installer('npm', null)],
  ['pip', installer('pypi', 'install download')],
  ['pip3', installer('pypi', 'install download')],
  ['pipx', installer('pypi', 'install run inject')],
  ['uv', installer('pypi', 'add')],
  ['uvx', installer('pypi', null)],
])

/** Parts of the tools' names by which they are looked for: few and rare letters, since each is sought in every text. */
export const MARKS = ['pm ', 'px ', 'pip', 'yarn ', 'bun', 'uv'] as const

/** More than the longest tool's name has. */
export const TOOL_CHARS_MAX = 6

const isWordChar = (char: string | undefined): boolean => char !== undefined && /[\w@-]/.test(char)
const TOKEN = /[ \t]*(["']?)([^\s"'`;&|()<>\\#]{1,256})\1/y
/** What the text ends with, if one more word may follow or become whole. */
const UNFINISHED = /[ \t]*["']?[^\s"'`;&|()<>\\#]{0,256}$/y
const NPM_SPEC = /^((?:@[\w.~-]{1,100}\/)?[\w.~-]{1,214})(?:@([\w.^~=+*-]{1,64}))?$/
const PYPI_SPEC = /^([A-Za-z0-9][\w.-]{0,100})(?:\[[\w,-]{0,100}\])?(?:===?([\w.!+-]{1,64})|[<>!~=].{0,100})?$/
/** Words by which prose goes on behind a command. */
const PROSE = new Set(
  'a an the to and or for then in on with from as is are was if it its get your you this that these using via first before after again which will when so by into globally locally'.split(
    ' ',
  ),
)

/** The command whose tool's name has a mark at this place; `null` if there is none. */
export function readCommand(text: string, at: number): Command | null {
  let nameEnd = at + 2
  while (nameEnd < at + TOOL_CHARS_MAX && isWordChar(text[nameEnd])) nameEnd++
  if (text[nameEnd] !== ' ' && text[nameEnd] !== '\t') return null
  const tool = toolBefore(text, nameEnd)
  const installer = INSTALLERS.get(tool)
  if (installer === undefined) return null
  const start = nameEnd - tool.length
  const limit = start + COMMAND_CHARS_MAX
  const { ecosystem, verbs } = installer
  const specs: Spec[] = []
  let awaitsVerb = verbs !== null
  TOKEN.lastIndex = nameEnd
  let end = nameEnd
  for (let token = TOKEN.exec(text); token !== null; token = TOKEN.exec(text)) {
    const [, quote = '', word = ''] = token
    if (TOKEN.lastIndex > limit) return { ecosystem, specs, start, end, open: false }
    if (awaitsVerb && !word.startsWith('-')) {
      if (!verbs?.has(word))
        return mayBecome(verbs, word, text, TOKEN.lastIndex)
          ? { ecosystem, specs, start, end: TOKEN.lastIndex, open: true }
          : null
      awaitsVerb = false
    } else if (!word.startsWith('-')) {
      const wordEnd = TOKEN.lastIndex - quote.length
      const bare = word.replace(/[.,:!?]+$/, '')
      const spec = specOf(ecosystem, bare, wordEnd - word.length)
      if (PROSE.has(word) || specs.length >= SPECS_MAX) return { ecosystem, specs, start, end, open: false }
      if (spec !== null) specs.push(spec)
    }
    end = TOKEN.lastIndex
  }
  UNFINISHED.lastIndex = end
  return { ecosystem, specs, start, end, open: end < limit && UNFINISHED.test(text) }
}

/** Whether a verb begins like this and the text ends here. */
const mayBecome = (verbs: ReadonlySet<string> | null, word: string, text: string, end: number): boolean =>
  end === text.length && [...(verbs ?? [])].some((verb) => verb.startsWith(word))

/** The word that ends at a place; empty if it is longer than any tool's name. */
function toolBefore(text: string, end: number): string {
  let start = end
  while (start > 0 && end - start <= TOOL_CHARS_MAX && isWordChar(text[start - 1])) start--
  // JSON within JSON: the letter of an escape is none of the name.
  const escaped = text[start - 1] === '\\' && /[nrt]/.test(text[start] ?? '') ? 1 : 0
  return text.slice(start + escaped, end)
}

function specOf(ecosystem: Ecosystem, word: string, start: number): Spec | null {
  const [, name, version] = (ecosystem === 'npm' ? NPM_SPEC : PYPI_SPEC).exec(word) ?? []
  if (name === undefined) return null
  const exact = version === undefined ? null : (/^[\^~=v]*(\d[\w.!+-]*)$/.exec(version)?.[1] ?? null)
  return { name, version: exact, start, end: start + word.length }
}
