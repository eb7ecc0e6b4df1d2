import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { inCheckout } from './paths.ts'

/** Spend of one group; amounts in nano-USD, decimal. */
export interface SpendRow {
  readonly key: string
  readonly requests: number
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

/** Asks the sidecar's own reader, as a process: the planes are not imported here. @throws with its message */
export async function readSpend(dataDir: string, by: string, since: string | null): Promise<Spend> {
  const words = [inCheckout('sidecar/spend.ts'), dataDir, by, ...(since === null ? [] : [since])]
  try {
    const { stdout } = await promisify(execFile)(process.execPath, words)
    return JSON.parse(stdout)
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
    throw new Error(said === '' ? String(error) : said)
  }
}
