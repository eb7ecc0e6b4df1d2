import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { storedSpend } from './group-log.ts'
import type { Spend } from './spend-sums.ts'

/** What spend can be grouped by. */
export const SPEND_GROUPS = ['agent', 'model', 'day'] as const
/** One of {@link SPEND_GROUPS}. */
export type SpendGroup = (typeof SPEND_GROUPS)[number]

/** Spend of one group; amounts are decimal-integer strings of nano-USD. */
export interface SpendRow {
  /** The agent, `provider/model` or UTC day; empty where a request had none. */
  readonly key: string
  /** Those that were sent. */
  readonly requests: number
  /** Those that were not: refused, or left by their client before. */
  readonly refused: number
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

const KEYS: Readonly<Record<SpendGroup, (spend: Spend) => string>> = {
  agent: ({ agent }) => agent,
  model: ({ provider, model }) => (model === '' ? provider : `${provider}/${model}`),
  day: ({ day }) => day,
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
    // Both as of one moment: an event that is being summed up is counted once.
    db.exec('BEGIN')
    const sums = new Map<string, SpendSum>()
    for (const spend of [...dailySpend(db), ...storedSpend(db)]) {
      if (spend.day < (since ?? '')) continue
      const key = KEYS[by](spend)
      sums.set(key, add(sums.get(key) ?? NOTHING, spend))
    }
    const sorted = [...sums].sort(([key, { cost }], [otherKey, other]) =>
      by === 'day' ? compare(key, otherKey) : compare(other.cost, cost) || compare(key, otherKey),
    )
    const rows = sorted.map(([key, sum]) => ({ key, ...render(sum) }))
    return { rows, total: render([...sums.values()].reduce(addSums, NOTHING)) }
  } finally {
    db.close()
  }
}

const compare = (one: bigint | string, other: bigint | string): number => (one < other ? -1 : one > other ? 1 : 0)

function dailySpend(db: DatabaseSync): readonly Spend[] {
  return db
    .prepare('SELECT * FROM spend_daily')
    .all()
    .map((row) => ({
      day: String(row.day),
      agent: String(row.agent),
      workflow: String(row.workflow),
      provider: String(row.provider),
      model: String(row.model),
      precision: String(row.precision),
      requests: Number(row.requests),
      inputTokens: Number(row.input_tokens),
      outputTokens: Number(row.output_tokens),
      cost: BigInt(String(row.cost)),
      charged: BigInt(String(row.charged)),
    }))
}

/** Sums of one group, in nano-USD. */
interface SpendSum {
  readonly requests: number
  readonly refused: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cost: bigint
  readonly charged: bigint
  readonly estimated: bigint
}

const NOTHING: SpendSum = {
  requests: 0,
  refused: 0,
  inputTokens: 0,
  outputTokens: 0,
  cost: 0n,
  charged: 0n,
  estimated: 0n,
}

const addSums = (one: SpendSum, other: SpendSum): SpendSum => ({
  requests: one.requests + other.requests,
  refused: one.refused + other.refused,
  inputTokens: one.inputTokens + other.inputTokens,
  outputTokens: one.outputTokens + other.outputTokens,
  cost: one.cost + other.cost,
  charged: one.charged + other.charged,
  estimated: one.estimated + other.estimated,
})

const add = (sum: SpendSum, spend: Spend): SpendSum =>
  addSums(sum, {
    ...spend,
    // What was sent names the provider that it was sent to.
    ...(spend.provider === '' ? { requests: 0, refused: spend.requests } : { refused: 0 }),
    estimated: spend.precision === 'estimated' ? spend.cost : 0n,
  })

const render = (sum: SpendSum): SpendReport['total'] => ({
  requests: sum.requests,
  refused: sum.refused,
  inputTokens: sum.inputTokens,
  outputTokens: sum.outputTokens,
  costNanoUsd: sum.cost.toString(),
  chargedNanoUsd: sum.charged.toString(),
  estimatedNanoUsd: sum.estimated.toString(),
})
