import { planeTool } from './plane-tool.ts'

/** Spend of one group; amounts in nano-USD, decimal. */
export interface SpendRow {
  readonly key: string
  /** Those that were sent, and those that were not. */
  readonly requests: number
  readonly refused: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly costNanoUsd: string
  readonly chargedNanoUsd: string
  readonly estimatedNanoUsd: string
}

/** What a sidecar's data folder tells. */
export interface Spend {
  readonly rows: readonly SpendRow[]
  readonly total: Omit<SpendRow, 'key'>
}

/** Asks the sidecar's own reader. @throws with its message */
export async function readSpend(dataDir: string, by: string, since: string | null): Promise<Spend> {
  return JSON.parse(await planeTool('sidecar/spend.ts', [dataDir, by, ...(since === null ? [] : [since])]))
}
