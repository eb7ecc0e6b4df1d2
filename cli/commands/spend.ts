import { join } from 'node:path'
import { formatUsd, nanoFromWire } from '@agentcostcontrol/contract'
import { type Command, readWords, UsageError } from '../support/command.ts'
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
    const { values, flags } = readWords(words, ['by', 'since', 'data'], ['json'])
    const by = values.by ?? 'agent'
    if (!GROUPS.includes(by)) throw new UsageError(`--by ${by}: expected one of ${GROUPS.join(', ')}`)
    const report = await readSpend(join(values.data ?? '.acc', 'sidecar'), by, values.since ?? null)
    process.stdout.write(flags.has('json') ? `${JSON.stringify(report)}\n` : spendTable(report, by))
    return 0
  },
}

/** The report as aligned text. */
export function spendTable({ rows, total }: Spend, by: string): string {
  const line = (key: string, row: Spend['total']): readonly string[] => [
    key,
    String(row.requests),
    String(row.inputTokens),
    String(row.outputTokens),
    `$${formatUsd(nanoFromWire(row.costNanoUsd))}`,
    row.estimatedNanoUsd === '0' ? '' : `$${formatUsd(nanoFromWire(row.estimatedNanoUsd))} of it estimated`,
  ]
  const table = [
    [by, 'requests', 'tokens in', 'tokens out', 'cost', ''],
    ...rows.map((row) => line(row.key === '' ? '(none)' : row.key, row)),
    line('total', total),
  ]
  const widths = [0, 1, 2, 3, 4, 5].map((at) => Math.max(...table.map((cells) => cells[at]?.length ?? 0)))
  return `${table
    .map((cells) =>
      cells
        .map((cell, at) => (at === 0 || at === 5 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')}\n`
}
