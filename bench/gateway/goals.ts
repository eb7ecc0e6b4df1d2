/** The promises that are read from a run, and whether it kept them. */
import { isCompared } from './cases.ts'
import { find, type Measured } from './results.ts'

/** One promise. */
export interface Goal {
  readonly name: string
  /** With its unit. */
  readonly promised: string
  readonly measured: string
  readonly kept: boolean
}

interface Draft {
  readonly name: string
  readonly promised: string
  /** `null` if the run does not hold the rows. */
  readonly value: number | null
  readonly unit: string
  readonly kept: (value: number) => boolean
}

function ratio(above: number | undefined, below: number | undefined): number | null {
  return above === undefined || below === undefined || below === 0 ? null : above / below
}

function added(measured: readonly Measured[], caseId: string, field: 'p50Ms' | 'p99Ms'): number | null {
  const ours = find(measured, caseId, 'sidecar')?.row[field]
  const direct = find(measured, caseId, 'direct')?.row[field]
  return ours === undefined || direct === undefined ? null : ours - direct
}

const atMost =
  (limit: number) =>
  (value: number): boolean =>
    value <= limit
const atLeast =
  (limit: number) =>
  (value: number): boolean =>
    value >= limit

function latencyDrafts(measured: readonly Measured[]): readonly Draft[] {
  const cases = [
    ['32 connections at 2 000 a second', '1k-new-c32-2000rps'],
    ['100 connections at 2 000 a second', '1k-new-c100-2000rps'],
    ['32 requests at once, without a pause', '1k-new-c32'],
    ['100 requests at once, without a pause', '1k-new-c100'],
  ] as const
  return cases.flatMap(([name, id]) =>
    (['p50Ms', 'p99Ms'] as const).map((field) => ({
      name: `latency added (${field.slice(0, 3)}), 1 KB new, ${name}`,
      promised: 'under 10 ms',
      value: added(measured, id, field),
      unit: 'ms',
      kept: (value: number) => value < 10,
    })),
  )
}

function costDrafts(measured: readonly Measured[]): readonly Draft[] {
  const cpu = (id: string, proxy: 'sidecar' | 'balanced' | 'node' | 'portkey'): number | undefined =>
    find(measured, id, proxy)?.row.cpuUsPerRequest
  const small = ['1k-new-c32', '1k-seen-c32'] as const
  const ours = ['sidecar', 'balanced'] as const
  return [
    ...ours.flatMap((proxy) =>
      small.map((id) => ({
        name: `CPU a request, ${id}, ${proxy}`,
        promised: 'at most 110 µs (aim 75)',
        value: cpu(id, proxy) ?? null,
        unit: 'µs',
        kept: atMost(110),
      })),
    ),
    ...ours.map((proxy) => ({
      name: `requests a second on one core, 1k-new-c32, ${proxy}`,
      promised: 'at least 8 000 (aim 12 000)',
      value: find(measured, '1k-new-c32', proxy)?.row.rps ?? null,
      unit: '/s',
      kept: atLeast(8000),
    })),
    {
      name: 'CPU against the bare Node proxy, 200k-seen-c32',
      promised: 'at most 1.6 times',
      value: ratio(cpu('200k-seen-c32', 'sidecar'), cpu('200k-seen-c32', 'node')),
      unit: 'times',
      kept: atMost(1.6),
    },
    {
      name: "Portkey's CPU against ours, 1k-new-c32",
      promised: 'at least 8 times',
      value: ratio(cpu('1k-new-c32', 'portkey'), cpu('1k-new-c32', 'sidecar')),
      unit: 'times',
      kept: atLeast(8),
    },
  ]
}

function memoryAndStreamDrafts(measured: readonly Measured[]): readonly Draft[] {
  const ttft = (proxy: 'sidecar' | 'node'): number | undefined => find(measured, 'streams-200', proxy)?.row.ttftP99Ms
  return [
    {
      name: 'memory at rest',
      promised: 'at most 130 MB',
      value: find(measured, 'idle', 'sidecar')?.row.rssMb ?? null,
      unit: 'MB',
      kept: atMost(130),
    },
    {
      name: 'memory with 100 streams',
      promised: 'at most 180 MB',
      value: find(measured, 'streams-100', 'sidecar')?.row.rssMb ?? null,
      unit: 'MB',
      kept: atMost(180),
    },
    {
      name: 'first token at p99 against the bare Node proxy, 200 streams',
      promised: 'at most 1.2 times',
      value: ratio(ttft('sidecar'), ttft('node')),
      unit: 'times',
      kept: atMost(1.2),
    },
    {
      name: 'budget check: all that is added together (p99), one connection at 2 000 a second',
      promised: 'under 5 ms',
      value: added(measured, '1k-new-c1-2000rps', 'p99Ms'),
      unit: 'ms',
      kept: (value) => value < 5,
    },
  ]
}

/** How much more CPU a request of another format takes than the same in the first; `null` if this is none, or it has no match. */
export function againstFirst(measured: readonly Measured[], one: Measured): number | null {
  const { format, id } = one.case
  const first = one.row.proxy === 'sidecar' && id.startsWith(`${format}-`) ? id.slice(format.length + 1) : null
  return first === null ? null : ratio(one.row.cpuUsPerRequest, find(measured, first, 'sidecar')?.row.cpuUsPerRequest)
}

function formatDrafts(measured: readonly Measured[]): readonly Draft[] {
  const dearest = measured
    .filter((one) => isCompared(one.case))
    .map((one) => ({ id: one.case.id, value: againstFirst(measured, one) ?? 0 }))
    .toSorted((a, b) => b.value - a.value)[0]
  if (!dearest || dearest.value === 0) return []
  return [
    {
      name: `no format costs more CPU than OpenAI's chat (dearest: ${dearest.id})`,
      promised: 'at most 1.3 times',
      value: dearest.value,
      unit: 'times',
      kept: atMost(1.3),
    },
  ]
}

/** All promises that the rows of this run allow to judge. */
export function judge(measured: readonly Measured[]): readonly Goal[] {
  const drafts = [
    ...latencyDrafts(measured),
    ...costDrafts(measured),
    ...memoryAndStreamDrafts(measured),
    ...formatDrafts(measured),
  ]
  return drafts.flatMap(({ name, promised, value, unit, kept }) =>
    value === null
      ? []
      : [{ name, promised, measured: `${value.toFixed(value < 100 ? 2 : 0)} ${unit}`, kept: kept(value) }],
  )
}
