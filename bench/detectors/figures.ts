import type { Verdict } from './judge.ts'
import type { TextRow } from './rows.ts'

/** What became of one set's attacks, or of its honest texts. */
export interface SetFigures {
  readonly set: string
  readonly label: number
  readonly role: string
  readonly rows: number
  /** Shares of the rows. */
  readonly alerted: number
  readonly blocked: number
  /** CPU of all detectors together. */
  readonly usPerKb: number
  /** Rows in which each detector found something. */
  readonly byDetector: Readonly<Record<string, number>>
}

/** The best pass over a set is its time: of as many as take so long, within bounds. */
export interface Passes {
  readonly min: number
  readonly max: number
  /** Microseconds of CPU. */
  readonly us: number
}

const PASSES: Passes = { min: 3, max: 50, us: 300_000 }

/** Rows of one set, label and role. */
export interface Group<R> {
  readonly set: string
  readonly label: number
  readonly role: string
  readonly rows: readonly R[]
}

/** Groups rows by set, label and role, in the order of their names. */
export function groupsOf<R extends Pick<TextRow, 'set' | 'label'>>(
  rows: readonly R[],
  roleOf: (row: R) => string,
): readonly Group<R>[] {
  const groups = new Map<string, { set: string; label: number; role: string; rows: R[] }>()
  for (const row of rows) {
    const role = roleOf(row)
    const key = `${row.set}\n${row.label}\n${role}`
    const group = groups.get(key) ?? { set: row.set, label: row.label, role, rows: [] }
    group.rows.push(row)
    groups.set(key, group)
  }
  return [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group)
}

/** Judges every row of a group, several times over for the time. @param charsOf how much text a row holds */
export async function measure<R>(
  group: Group<R>,
  charsOf: (row: R) => number,
  judge: (row: R, pass: number) => Promise<Verdict>,
  passes = PASSES,
): Promise<SetFigures> {
  let bestUs = Number.POSITIVE_INFINITY
  let verdicts: Verdict[] = []
  for (let pass = 0, spentUs = 0; pass < passes.min || (spentUs < passes.us && pass < passes.max); pass++) {
    verdicts = []
    const before = process.cpuUsage()
    for (const row of group.rows) verdicts.push(await judge(row, pass))
    const { user, system } = process.cpuUsage(before)
    spentUs += user + system
    bestUs = Math.min(bestUs, user + system)
  }
  const { set, label, role, rows } = group
  const kb = rows.reduce((sum, row) => sum + charsOf(row), 0) / 1_024
  return {
    set,
    label,
    role,
    rows: rows.length,
    alerted: verdicts.filter(({ alerted }) => alerted).length / rows.length,
    blocked: verdicts.filter(({ blocked }) => blocked).length / rows.length,
    usPerKb: Math.round((bestUs / Math.max(kb, 0.001)) * 10) / 10,
    byDetector: byDetector(verdicts),
  }
}

function byDetector(verdicts: readonly Verdict[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { found } of verdicts) {
    for (const id of new Set(found.map(({ detectorId }) => detectorId))) counts[id] = (counts[id] ?? 0) + 1
  }
  return counts
}

/** A share, for people. */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** A table in Markdown, which is readable as it is. */
export function toTable(figures: readonly SetFigures[]): string {
  const lines = figures.map(({ set, label, role, rows, alerted, blocked, usPerKb }) =>
    tableRow([
      set,
      label === 1 ? 'attack' : 'honest',
      role,
      String(rows),
      percent(alerted),
      percent(blocked),
      usPerKb.toFixed(1),
    ]),
  )
  return [
    tableRow(['set', 'texts', 'role', 'rows', 'alerted', 'blocked', 'µs/KB']),
    tableRow(Array(7).fill('---')),
    ...lines,
  ].join('\n')
}

/** A row of a table in Markdown. */
export const tableRow = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
