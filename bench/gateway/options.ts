/** The command line of the benchmark. */
import { parseArgs } from 'node:util'
import { PROXY_NAMES, type ProxyName } from './proxies.ts'

/** What was asked for. */
export interface Options {
  readonly quick: boolean
  readonly only: readonly ProxyName[]
  /** Ids of cases to run; `null` for all. */
  readonly rows: RegExp | null
  /** Only the rows in which formats are compared, through the sidecar alone unless `only` says more. */
  readonly formats: boolean
  readonly jsonFile: string | null
  readonly markdownFile: string | null
  readonly help: boolean
}

/** Told by `--help`. */
export const USAGE = `npm run bench:gateway -- [options]
  --quick             a short run of the rows that matter, about a minute and a half (whole run: seven to eight)
  --only a,b          of ${PROXY_NAMES.join(', ')}
  --rows PATTERN      only cases whose id matches, e.g. '^1k-.*c32$', 'streams', 'idle'
  --formats           only the rows in which wire formats are compared, through the sidecar
  --json FILE         all rows as JSON
  --markdown FILE     the tables as docs/performance.md shows them
`

/** Reads the command line. Throws an error for people if it is wrong. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      rows: { type: 'string' },
      formats: { type: 'boolean', default: false },
      json: { type: 'string' },
      markdown: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const names = values.only?.split(',') ?? (values.formats ? ['sidecar'] : PROXY_NAMES)
  const only = PROXY_NAMES.filter((name) => names.includes(name))
  const unknown = names.filter((name) => !only.some((known) => known === name))
  if (unknown.length > 0) throw new Error(`unknown proxy ${unknown.join(', ')}; there are ${PROXY_NAMES.join(', ')}`)
  return {
    quick: values.quick,
    only,
    rows: values.rows === undefined ? null : new RegExp(values.rows),
    formats: values.formats,
    jsonFile: values.json ?? null,
    markdownFile: values.markdown ?? null,
    help: values.help,
  }
}

/** The command that measures the same again; where its output went is left out. */
export function describeCommand(options: Options): string {
  const flags = [
    ...(options.quick ? ['--quick'] : []),
    ...(options.formats ? ['--formats'] : []),
    ...(options.only.length < (options.formats ? 1 : PROXY_NAMES.length) ? [`--only ${options.only.join(',')}`] : []),
    ...(options.rows === null ? [] : [`--rows '${options.rows.source}'`]),
  ]
  return ['npm run bench:gateway', ...(flags.length > 0 ? ['--', ...flags] : [])].join(' ')
}
