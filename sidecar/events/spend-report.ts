import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** What spend can be grouped by. */
export const SPEND_GROUPS = ['agent', 'model', 'day'] as const
/** One of {@link SPEND_GROUPS}. */
export type SpendGroup = (typeof SPEND_GROUPS)[number]

/** Spend of one group; amounts are decimal-integer strings of nano-USD. */
export interface SpendRow {
  /** The agent, `provider/model` or UTC day; empty where a request had none. */
  readonly key: string
  readonly requests: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly costNanoUsd: string
  readonly chargedNanoUsd: string
  /** Part of the cost that is an estimate, never below the truth. */
  readonly estimatedNanoUsd: string
}

/** The report of a data folder. */
export interface SpendReport {
  readonly rows: readonly SpendRow[]
  readonly total: Omit<SpendRow, 'key'>
}

const KEYS: Readonly<Record<SpendGroup, string>> = {
  agent: 'agent',
  model: "CASE model WHEN '' THEN provider ELSE provider || '/' || model END",
  day: 'day',
}

/**
 * Sums the spend that a sidecar wrote down, also while it runs.
 * @param since first UTC day, `YYYY-MM-DD`; everything if `null`
 * @throws if there is no record in the folder
 */
export function readSpend(dataDir: string, by: SpendGroup, since: string | null): SpendReport {
  const file = join(dataDir, 'outbox.sqlite')
  if (!existsSync(file)) throw new Error(`no spend is recorded in ${dataDir}: no sidecar has run there yet`)
  const db = new DatabaseSync(file, { readOnly: true, readBigInts: true })
  try {
    const rows = db
      .prepare(`
        SELECT ${KEYS[by]} AS key, sum(requests) AS requests, sum(input_tokens) AS input, sum(output_tokens) AS output,
          sum(cost) AS cost, sum(charged) AS charged, sum(CASE precision WHEN 'estimated' THEN cost ELSE 0 END) AS estimated
        FROM (
          SELECT day, agent, provider, model, precision, 1 AS requests, input_tokens, output_tokens, cost, charged FROM events
          UNION ALL
          SELECT day, agent, provider, model, precision, requests, input_tokens, output_tokens, cost, charged FROM spend_daily
        ) WHERE day >= ? GROUP BY 1 ORDER BY ${by === 'day' ? 'key' : 'cost DESC, key'}`)
      .all(since ?? '')
      .map(rowOf)
    return { rows, total: totalOf(rows) }
  } finally {
    db.close()
  }
}

const rowOf = (row: Readonly<Record<string, unknown>>): SpendRow => ({
  key: String(row.key),
  requests: Number(row.requests),
  inputTokens: Number(row.input),
  outputTokens: Number(row.output),
  costNanoUsd: String(row.cost),
  chargedNanoUsd: String(row.charged),
  estimatedNanoUsd: String(row.estimated),
})

function totalOf(rows: readonly SpendRow[]): SpendReport['total'] {
  const sum = (pick: (row: SpendRow) => string): string =>
    rows.reduce((total, row) => total + BigInt(pick(row)), 0n).toString()
  return {
    requests: rows.reduce((total, { requests }) => total + requests, 0),
    inputTokens: rows.reduce((total, { inputTokens }) => total + inputTokens, 0),
    outputTokens: rows.reduce((total, { outputTokens }) => total + outputTokens, 0),
    costNanoUsd: sum((row) => row.costNanoUsd),
    chargedNanoUsd: sum((row) => row.chargedNanoUsd),
    estimatedNanoUsd: sum((row) => row.estimatedNanoUsd),
  }
}
