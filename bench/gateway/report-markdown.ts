/** The tables of docs/performance.md. */
import { type Case, isCompared } from './cases.ts'
import { FORMAT_FACTS, FORMATS } from './formats.ts'
import { againstFirst, judge } from './goals.ts'
import type { Machine } from './machine.ts'
import { PROXY_NAMES, type ProxyName } from './proxies.ts'
import { describeMachine } from './report-text.ts'
import { find, type Measured } from './results.ts'

function table(rows: readonly (readonly string[])[]): string {
  const [header = [], ...body] = rows
  const rule = header.map((_, column) => (column === 0 ? '---' : '---:'))
  return [header, rule, ...body].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

function caseName(of: Case): string {
  const load = of.shape.kind === 'fixed' ? `${of.shape.requestsPerSecond} a second over ` : ''
  const connections = of.connections === 1 ? '1 connection' : `${of.connections} connections`
  if (of.shape.kind === 'streams') return `${of.connections} streams of 100 chunks`
  return `${of.bodyBytes / 1024} KB ${of.seen ? 'seen' : 'new'}, ${load}${connections}`
}

/** One figure of all proxies, a row for each case. */
function matrix(
  measured: readonly Measured[],
  kind: Case['shape']['kind'],
  show: (one: Measured) => string,
  without: readonly ProxyName[] = [],
): string {
  const cases = [...new Set(measured.map((one) => one.case))].filter(
    (of) => of.shape.kind === kind && of.format === FORMATS[0],
  )
  const names = PROXY_NAMES.filter((name) => !without.includes(name) && measured.some((one) => one.row.proxy === name))
  const row = (of: Case): string[] => {
    const figures = names.map((name) => {
      const one = find(measured, of.id, name)
      return one === undefined ? '' : show(one)
    })
    return [caseName(of), ...figures]
  }
  return table([['', ...names], ...cases.map(row)])
}

const times = ({ row, overloaded }: Measured): string =>
  overloaded ? `fell behind (${row.rps.toFixed(0)}/s)` : `${row.p50Ms.toFixed(2)} / ${row.p99Ms.toFixed(2)}`

const processor = (one: Measured): string =>
  `${one.row.cpuUsPerRequest.toFixed(one.row.cpuUsPerRequest < 100 ? 1 : 0)} ±${(one.spread * 50).toFixed(0)} %`

function streamTable(measured: readonly Measured[]): string {
  const rows = PROXY_NAMES.flatMap((name) => {
    const streams = find(measured, 'streams-200', name)?.row
    if (streams === undefined) return []
    const rest = find(measured, 'idle', name)?.row.rssMb
    const hundred = find(measured, 'streams-100', name)?.row.rssMb
    return [
      [
        name,
        `${streams.ttftP50Ms?.toFixed(1) ?? ''} / ${streams.ttftP99Ms?.toFixed(1) ?? ''}`,
        name === 'direct' ? '' : (streams.cpuUsPerRequest / 1000).toFixed(2),
        ...[rest, hundred, streams.rssMb].map((rssMb) =>
          rssMb === undefined || name === 'direct' ? '' : rssMb.toFixed(0),
        ),
      ],
    ]
  })
  const header = [
    '',
    'first token p50 / p99, ms',
    'CPU a stream, ms',
    'MB at rest',
    'MB with 100 streams',
    'MB with 200',
  ]
  return table([header, ...rows])
}

/** CPU of the sidecar for each format, a row for each load in which they are compared. */
function formatTable(measured: readonly Measured[]): string {
  const ours = measured.filter((one) => one.row.proxy === 'sidecar' && isCompared(one.case))
  const rows = ours
    .filter((one) => one.case.format === FORMATS[0])
    .map((first) => {
      const others = FORMATS.slice(1).map((format) => {
        const one = ours.find((each) => each.case.id === `${format}-${first.case.id}`)
        return one ? `${processor(one)} (${againstFirst(measured, one)?.toFixed(2)} times)` : ''
      })
      return [caseName(first.case), processor(first), ...others]
    })
  return table([['', ...FORMATS.map((format) => FORMAT_FACTS[format].title)], ...rows])
}

/** Everything that a reader needs to believe the figures or to repeat them. */
export function renderMarkdown(machine: Machine, command: string, measured: readonly Measured[]): string {
  const has = (kind: Case['shape']['kind']): boolean => measured.some((one) => one.case.shape.kind === kind)
  const goals = judge(measured).map((goal) => [
    goal.name,
    goal.promised,
    goal.measured,
    goal.kept ? 'kept' : '**missed**',
  ])
  const sections: string[] = [`\`${command}\` on ${describeMachine(machine)}.`]
  if (goals.length > 0) sections.push('### Promises', table([['', 'promised', 'measured', ''], ...goals]))
  if (has('flat')) {
    sections.push('### CPU a request, µs (without a pause)', matrix(measured, 'flat', processor, ['direct']))
    sections.push(
      '### Requests a second',
      matrix(measured, 'flat', ({ row }) => row.rps.toFixed(0)),
    )
    sections.push('### Latency p50 / p99, ms (without a pause)', matrix(measured, 'flat', times))
  }
  if (measured.some((one) => one.case.format !== FORMATS[0])) {
    sections.push('### CPU a request or a stream by wire format, µs (the sidecar)', formatTable(measured))
  }
  if (has('fixed')) {
    sections.push('### CPU a request, µs (fixed rate)', matrix(measured, 'fixed', processor, ['direct']))
    sections.push(
      '### Latency p50 / p99, ms (fixed rate, from the time when the request was due)',
      matrix(measured, 'fixed', times),
    )
  }
  if (measured.some((one) => one.case.id === 'streams-200')) {
    sections.push('### 200 streams at once, 100 chunks at 10 ms each, and memory', streamTable(measured))
  }
  return `${sections.join('\n\n')}\n`
}
