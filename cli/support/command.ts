import { parseArgs } from 'node:util'

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

/** What a command was given. */
export interface Words {
  readonly values: Readonly<Record<string, string | undefined>>
  readonly flags: ReadonlySet<string>
  readonly positionals: readonly string[]
}

/** Reads options (`--name value`), flags (`--name`) and what else stands there. @throws UsageError */
export function readWords(words: readonly string[], options: readonly string[], flags: readonly string[] = []): Words {
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        ...Object.fromEntries(options.map((name) => [name, { type: 'string' as const }])),
        ...Object.fromEntries(flags.map((name) => [name, { type: 'boolean' as const }])),
      },
    })
    return {
      values: Object.fromEntries(
        options.map((name) => [name, typeof values[name] === 'string' ? values[name] : undefined]),
      ),
      flags: new Set(flags.filter((name) => values[name] === true)),
      positionals,
    }
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** A port. @throws UsageError */
export function readPort(text: string | undefined, otherwise: number, name: string): number {
  if (text === undefined) return otherwise
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new UsageError(`--${name} ${text}: expected a port, 0 to 65535`)
  return port
}
