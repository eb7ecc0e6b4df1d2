/** The table that the terminal shows. */
import { againstFirst, judge } from './goals.ts'
import type { Machine } from './machine.ts'
import { find, type Measured } from './results.ts'

/** Pads every column to its widest cell; the first two to the left, figures to the right. */
function layOut(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const pad = (cell: string, column: number): string =>
    column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n')
}

/** CPU against the bare Node proxy, e.g. `1.32x`; empty where there is no such figure. */
function againstNode(measured: readonly Measured[], one: Measured): string {
  const node = find(measured, one.case.id, 'node')?.row.cpuUsPerRequest ?? 0
  return node === 0 || one.row.cpuUsPerRequest === 0 ? '' : `${(one.row.cpuUsPerRequest / node).toFixed(2)}x`
}

function cells(measured: readonly Measured[], one: Measured): readonly string[] {
  const { row } = one
  const memory = row.rssMb === 0 ? '' : row.rssMb.toFixed(0)
  if (one.case.shape.kind === 'idle') return [one.case.id, row.proxy, '', '', '', '', '', '', '', '', '', memory]
  return [
    one.case.id,
    row.proxy,
    `${row.rps.toFixed(0)}${one.overloaded ? '!' : ''}`,
    row.p50Ms.toFixed(2),
    row.p99Ms.toFixed(2),
    row.cpuUsPerRequest === 0 ? '' : row.cpuUsPerRequest.toFixed(1),
    againstNode(measured, one),
    againstFirst(measured, one)?.toFixed(2).concat('x') ?? '',
    `${(one.spread * 100).toFixed(0)}%`,
    row.ttftP50Ms?.toFixed(2) ?? '',
    row.ttftP99Ms?.toFixed(2) ?? '',
    memory,
  ]
}

const HEADER = [
  'case',
  'proxy',
  'req/s',
  'p50 ms',
  'p99 ms',
  'CPU µs',
  '/node',
  '/openai',
  'spread',
  'ttft p50',
  'ttft p99',
  'MB',
]

/** One line that names the machine and the commit. */
export function describeMachine(machine: Machine): string {
  const { cpu, cores, memoryGb, kernel, node, nginx, commit } = machine
  return `${cpu}, ${cores} cores, ${memoryGb} GB, Linux ${kernel}; Node ${node}, nginx ${nginx}; commit ${commit}`
}

/** Machine, all rows, promises. */
export function renderText(machine: Machine, measured: readonly Measured[]): string {
  const goals = judge(measured)
  const goalRows = goals.map((goal) => [goal.name, goal.promised, goal.measured, goal.kept ? 'kept' : 'MISSED'])
  const sections = [
    describeMachine(machine),
    layOut([HEADER, ...measured.map((one) => cells(measured, one))]),
    ...(measured.some((one) => one.overloaded)
      ? ['! fell behind the fixed rate: its times grow for as long as one measures']
      : []),
    ...(goalRows.length === 0 ? [] : [layOut(goalRows)]),
  ]
  return `${sections.join('\n\n')}\n`
}
