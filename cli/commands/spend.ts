import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { formatUsd, nanoFromWire } from '@agentcostcontrol/contract'
import { type Command, readChoice, readWords, UsageError } from '../support/command.ts'
import { readSpend, type Spend } from '../support/spend.ts'

const GROUPS = ['agent', 'model', 'day']

/** `acc spend`: what was spent, from the sidecar's own record. */
export const spend: Command = {
  name: 'spend',
  summary: 'what was spent, by agent, model or day; also while the sidecar runs',
  help: `  --by agent|model|day   (agent)
  --since YYYY-MM-DD     from this UTC day on
  --data DIR             the folder of "acc up" (.acc)
  --json                 amounts in nano-USD`,
  run: async (words) => {
    const { values, flags } = readWords(words, { options: ['by', 'since', 'data'], flags: ['json'] })
    const by = readChoice(values.by, GROUPS, 'by')
    const since = values.since ?? null
    if (since !== null && !isDay(since)) throw new UsageError(`--since ${since}: expected a day like 2026-11-23`)
    const dataDir = join(values.data ?? '.acc', 'sidecar')
    if (!existsSync(dataDir))
      throw new Error(
        `nothing is recorded in ${values.data ?? '.acc'} yet: "npm start" begins to, --data names another folder`,
      )
    const report = await readSpend(dataDir, by, since)
    process.stdout.write(flags.has('json') ? `${JSON.stringify(report)}\n` : spendTable(report, by))
    return 0
  },
}

/** A day of the calendar, not only its form. */
const isDay = (text: string): boolean =>
  /^\d{4}-\d{2}-\d{2}$/.test(text) && new Date(`${text}T00:00:00Z`).toJSON()?.startsWith(text) === true

/** The report as aligned text. */
export function spendTable({ rows, total }: Spend, by: string): string {
  const line = (key: string, row: Spend['total']): readonly string[] => [
    key,
    String(row.requests),
    String(row.refused),
    String(row.inputTokens),
    String(row.outputTokens),
    `$${formatUsd(nanoFromWire(row.costNanoUsd))}`,
    row.estimatedNanoUsd === '0' ? '' : `$${formatUsd(nanoFromWire(row.estimatedNanoUsd))} of it estimated`,
  ]
  const table = [
    [by, 'requests', 'refused', 'tokens in', 'tokens out', 'cost', ''],
    ...rows.map((row) => line(row.key === '' ? '(none)' : row.key, row)),
    line('total', total),
  ]
  const widths = [0, 1, 2, 3, 4, 5, 6].map((at) => Math.max(...table.map((cells) => cells[at]?.length ?? 0)))
  return `${table
    .map((cells) =>
      cells
        .map((cell, at) => (at === 0 || at === 6 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')}\n`
}
