import type { Readiness } from './admin.ts'
import type { Demotions } from './budget/demotions.ts'
import type { LastWord } from './control/last-word.ts'
import type { PolicyStatus, Staleness } from './policy-store.ts'
import type { IntelStats } from './threat-intel/folder.ts'
import type { ReceivedStats } from './threat-intel/received.ts'

type Check = Readiness['checks'][string]

/** What decides whether the sidecar can serve. */
export interface ReadinessSources {
  policy(): PolicyStatus
  /** How long the control plane has said nothing, as text; `null` for a sidecar that stands alone. */
  controlPlane(): string | null
  /** Of the lists of its folder and of the control plane; `null` without. */
  intel(): { readonly folder: IntelStats | null; readonly received: ReceivedStats | null }
  outboxWritable(): boolean
  readonly demotions: Pick<Demotions, 'list'>
  stopping(): boolean
  /** Ids of detectors that failed their self-test. */
  readonly dead: readonly string[]
}

/** Makes what `/readyz` tells. */
export function createReadiness({
  policy,
  controlPlane,
  intel,
  outboxWritable,
  demotions,
  stopping,
  dead,
}: ReadinessSources): () => Readiness {
  return () => {
    const checks = {
      policy: policyCheck(policy(), controlPlane()),
      outbox: check(outboxWritable(), 'writable', 'nothing can be written to ACC_DATA_DIR; the log says why'),
      detectors: check(dead.length === 0, 'alive', `dead: ${dead.join(', ')}`),
      threatIntel: { ok: true, detail: intelText(intel()) },
      bounds: { ok: true, detail: boundsText(demotions.list()) },
      serving: check(!stopping(), 'serving', 'shutting down'),
    }
    return { ready: Object.values(checks).every(({ ok }) => ok), checks }
  }
}

/** Which classes of requests were billed above their bound; that is no reason not to serve. */
function boundsText(demoted: ReturnType<Demotions['list']>): string {
  if (demoted.length === 0) return 'kept to'
  const [first, ...more] = demoted.map(
    ({ provider, model, operation, untilMs }) =>
      `${provider} ${operation} ${model} until ${new Date(untilMs).toISOString()}`,
  )
  return `billed above, by onUnbounded: ${first}${more.length === 0 ? '' : ` (and ${more.length} more)`}`
}

/** Which indexes are in force; a sidecar serves with the ones that it has. */
function intelText({ folder, received }: ReturnType<ReadinessSources['intel']>): string {
  const parts = [
    folder === null ? null : `folder: ${folder.entries} entries`,
    received === null || received.version === null
      ? null
      : `control plane: ${received.entries} entries, version ${received.version}`,
  ].filter((part) => part !== null)
  return parts.length === 0 ? 'none' : parts.join('; ')
}

/** How old the last word of the control plane is. */
export const lastWordText = ({ ever, ageMs }: Pick<LastWord, 'ever' | 'ageMs'>): string =>
  ever
    ? `the control plane answered ${Math.floor(ageMs() / 1_000)} s ago`
    : 'the control plane has not answered yet; the log says why'

const check = (ok: boolean, good: string, bad: string): Check => ({ ok, detail: ok ? good : bad })

/**
 * Where the policy in force came from, and what is wrong with the one that should be. A policy that is there serves for
 * as long as it is allowed to, whether the control plane can be reached or not.
 */
function policyCheck({ revision, source, problems, staleness }: PolicyStatus, controlPlane: string | null): Check {
  const ok = revision !== null && staleness !== 'closed'
  const from = [source, controlPlane, STALE[staleness]].filter((part) => part !== null).join('; ')
  const [first, ...more] = problems
  if (!first) return { ok, detail: from }
  const place = `${first.file}:${first.line}${first.path === '' ? '' : ` ${first.path}:`}`
  const others = more.length === 0 ? '' : ` (and ${more.length} more; the log has the first ones)`
  return { ok, detail: `${from}; refused: ${place} ${first.message}${others}` }
}

const STALE: Readonly<Record<Staleness, string | null>> = {
  fresh: null,
  open: 'stale: requests pass without budgets and inspection',
  closed: 'stale: requests are refused',
}
