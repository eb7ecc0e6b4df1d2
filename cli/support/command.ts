import { parseArgs } from 'node:util'
import { nearest } from '@agentcostcontrol/policy'

/** One command of `acc`. */
export interface Command {
  /** One word or two. */
  readonly name: string
  readonly summary: string
  /** Its options, for `--help`. */
  readonly help: string
  /** @returns the exit code */
  run(words: readonly string[]): Promise<number>
}

/** The command line was not understood; the message says what is expected. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What a command takes. */
export interface Grammar {
  /** `--name value` */
  readonly options?: readonly string[]
  /** `--name` */
  readonly flags?: readonly string[]
  /** What else may stand there, for the message; nothing if left out. */
  readonly positionals?: readonly string[]
}

/** What a command was given. */
export interface Words {
  readonly values: Readonly<Record<string, string | undefined>>
  readonly flags: ReadonlySet<string>
  readonly positionals: readonly string[]
}

/** Reads a command's words. @throws UsageError */
export function readWords(words: readonly string[], grammar: Grammar): Words {
  const { options = [], flags = [], positionals: expected = [] } = grammar
  const known = new Set([...options, ...flags])
  const { values, positionals, tokens } = parse(words, options, flags)
  for (const token of tokens) {
    if (token.kind === 'option' && !known.has(token.name)) throw new UsageError(unknownOption(token.rawName, known))
  }
  if (positionals.length > expected.length)
    throw new UsageError(
      `"${positionals[expected.length]}" was not expected; it takes ${expected.join(' ') || 'options only'}`,
    )
  for (const name of options) {
    const value = values[name]
    if (value !== undefined && (typeof value !== 'string' || value.startsWith('--')))
      throw new UsageError(`--${name} needs a value`)
  }
  for (const name of flags) {
    if (typeof values[name] === 'string') throw new UsageError(`--${name} takes no value`)
  }
  return {
    values: Object.fromEntries(
      options.map((name) => [name, typeof values[name] === 'string' ? values[name] : undefined]),
    ),
    flags: new Set(flags.filter((name) => values[name] === true)),
    positionals,
  }
}

function parse(words: readonly string[], options: readonly string[], flags: readonly string[]) {
  return parseArgs({
    args: [...words],
    allowPositionals: true,
    // Not strict, so that the messages are ours.
    strict: false,
    tokens: true,
    options: {
      ...Object.fromEntries(options.map((name) => [name, { type: 'string' as const }])),
      ...Object.fromEntries(flags.map((name) => [name, { type: 'boolean' as const }])),
    },
  })
}

function unknownOption(rawName: string, known: ReadonlySet<string>): string {
  const names = [...known].map((name) => `--${name}`)
  const meant = nearest(rawName, names)
  const remedy = meant === null ? `known are ${names.join(', ') || 'none'}` : `did you mean ${meant}?`
  return `unknown option ${rawName}: ${remedy}`
}

/** One of several words. @throws UsageError */
export function readChoice(text: string | undefined, choices: readonly string[], name: string): string {
  const [otherwise = ''] = choices
  if (text === undefined || choices.includes(text)) return text ?? otherwise
  const meant = nearest(text, choices)
  throw new UsageError(
    `--${name} ${text}: expected one of ${choices.join(', ')}${meant === null ? '' : `; did you mean ${meant}?`}`,
  )
}

/** A port, or `null` if none was named. @throws UsageError */
export function readPort(text: string | undefined, name: string): number | null {
  if (text === undefined) return null
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new UsageError(`--${name} ${text}: expected a port, 0 to 65535`)
  return port
}
