import type { Readiness } from './admin.ts'
import type { PolicyStatus } from './policy-store.ts'

type Check = Readiness['checks'][string]

/** What decides whether the sidecar can serve. */
export interface ReadinessSources {
  policy(): PolicyStatus
  outboxWritable(): boolean
  stopping(): boolean
  /** Ids of detectors that failed their self-test. */
  readonly dead: readonly string[]
}

/** Makes what `/readyz` tells. */
export function createReadiness({ policy, outboxWritable, stopping, dead }: ReadinessSources): () => Readiness {
  return () => {
    const checks = {
      policy: policyCheck(policy()),
      outbox: check(outboxWritable(), 'writable', 'nothing can be written to ACC_DATA_DIR; the log says why'),
      detectors: check(dead.length === 0, 'alive', `dead: ${dead.join(', ')}`),
      serving: check(!stopping(), 'serving', 'shutting down'),
    }
    return { ready: Object.values(checks).every(({ ok }) => ok), checks }
  }
}

const check = (ok: boolean, good: string, bad: string): Check => ({ ok, detail: ok ? good : bad })

/** Where the policy in force came from, and what is wrong with the one that stands in the folder. */
function policyCheck({ revision, source, problems }: PolicyStatus): Check {
  const [first, ...more] = problems
  if (!first) return { ok: revision !== null, detail: source }
  const place = `${first.file}:${first.line}${first.path === '' ? '' : ` ${first.path}:`}`
  const others = more.length === 0 ? '' : ` (and ${more.length} more; the log has the first ones)`
  return { ok: revision !== null, detail: `${source}; refused: ${place} ${first.message}${others}` }
}
