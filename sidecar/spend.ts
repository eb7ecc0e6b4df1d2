/**
 * Prints the spend of a data folder as JSON: `node spend.ts DATA_DIR agent|model|day [YYYY-MM-DD]`. `acc spend` runs it;
 * in the shipped image it answers `kubectl exec`.
 */
import { readSpend, SPEND_GROUPS } from './events/spend-report.ts'

const [dataDir = '', group = 'agent', since = null] = process.argv.slice(2)
const by = SPEND_GROUPS.find((name) => name === group)
try {
  if (!by || dataDir === '') throw new Error(`usage: spend DATA_DIR ${SPEND_GROUPS.join('|')} [YYYY-MM-DD]`)
  if (since !== null && !/^\d{4}-\d{2}-\d{2}$/.test(since)) throw new Error(`"${since}" is not a day like 2026-11-23`)
  process.stdout.write(`${JSON.stringify(readSpend(dataDir, by, since))}\n`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
