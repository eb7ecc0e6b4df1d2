import { parseArgs } from 'node:util'

/** What the demo is told on its command line. */
export interface DemoOptions {
  /** How long faults are made. */
  readonly seconds: number
  /** Decides what is sent, and which fault strikes whom when. */
  readonly seed: number
  /** Where the figures are written as JSON; `null` for nowhere. */
  readonly jsonFile: string | null
}

const DEFAULT_SECONDS = '30'

/** What `--help` prints. */
export const USAGE = `npm run demo:budget -- [--seconds N] [--seed N] [--json FILE]
  --seconds N   how long faults are made (5 to 3600; ${DEFAULT_SECONDS})
  --seed N      decides what is sent, and which fault strikes whom when (one of the clock's if left out)
  --json FILE   writes the figures there
Exit code: 0 if nothing was overspent, lost or stuck; 1 if something was; 2 if the demo could not run.`

/** Reads the command line; `null` where help is asked for. @throws naming the mistake */
export function readOptions(words: readonly string[]): DemoOptions | null {
  const { values } = parseArgs({
    args: [...words],
    options: {
      seconds: { type: 'string', default: DEFAULT_SECONDS },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return null
  return {
    seconds: wholeNumber('--seconds', values.seconds, 5, 3_600),
    seed: wholeNumber('--seed', values.seed, 0, 2 ** 32 - 1),
    jsonFile: values.json ?? null,
  }
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (number >= min && number <= max) return number
  throw new Error(`${name}: expected a whole number from ${min} to ${max}, not "${text}"`)
}
