import type { Readiness } from './admin.ts'
import type { PolicyStatus } from './policy-store.ts'

type Check = Readiness['checks'][string]

/** Where the policy in force came from, and what is wrong with the one that stands in the folder. */
export function policyCheck({ revision, source, problems }: PolicyStatus): Check {
  const [first, ...more] = problems
  if (!first) return { ok: revision !== null, detail: source }
  const place = `${first.file}:${first.line}${first.path === '' ? '' : ` ${first.path}:`}`
  const others = more.length === 0 ? '' : ` (and ${more.length} more; the log has the first ones)`
  return { ok: revision !== null, detail: `${source}; refused: ${place} ${first.message}${others}` }
}
