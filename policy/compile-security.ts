import type { DetectorId, FindingAction, SecurityPolicyDocument, Severity } from '@agentcostcontrol/contract'
import type { CompiledDetectorPolicy, CompiledRunaway, CompiledSecurity } from './types.ts'

type RunawayDocument = NonNullable<SecurityPolicyDocument['spec']['runaway']>
type DetectorSettings = NonNullable<SecurityPolicyDocument['spec']['detectors'][DetectorId]>

const ACTION_LEFT_OUT: FindingAction = 'alert'

/** Compiles one SecurityPolicy; its selector is compiled by {@link createSecurityMatch}. */
export function compileSecurity({ metadata: { name }, spec }: SecurityPolicyDocument): CompiledSecurity {
  const { onOverload, onTimeout, timeoutMs, canaries } = spec
  const detectors = Object.entries(spec.detectors).flatMap(([id, settings]) =>
    settings ? [compileDetector(id, settings)] : [],
  )
  return Object.freeze({
    name,
    detectors: Object.freeze(detectors),
    byDetector: new Map(detectors.map((detector) => [detector.detectorId, detector])),
    canaries: Object.freeze(canaries),
    onOverload,
    onTimeout,
    timeoutMs,
    holdsResponses: detectors.some(({ mode, response }) => mode === 'enforce' && Object.values(response).some(holds)),
    restoresRedacted: detectors.some(
      ({ mode, request, restore }) =>
        mode === 'enforce' && restore !== null && Object.values(request).includes('redact'),
    ),
    detectorsKey: detectors.map(({ detectorId }) => detectorId).join(','),
    runaway: spec.runaway === undefined ? null : compileRunaway(spec.runaway),
  })
}

function compileDetector(detectorId: string, settings: DetectorSettings): CompiledDetectorPolicy {
  const { mode, request, response, thresholds, rules, allow, restoreRedacted, restoreInTools } = settings
  return Object.freeze({
    detectorId,
    mode,
    request: allActions(request),
    response: allActions(response),
    thresholds,
    rules: new Map(Object.entries(rules)),
    allow: {
      hashes: new Set(allow.hashes),
      tools: new Set(allow.tools),
      hosts: new Set(allow.hosts.filter((host) => !host.startsWith('.'))),
      hostsBelow: allow.hosts.filter((host) => host.startsWith('.')),
    },
    restore: restoreRedacted ? { tools: new Set(restoreInTools) } : null,
  })
}

const holds = (action: FindingAction): boolean => action === 'redact' || action === 'block' || action === 'quarantine'

const allActions = (
  actions: {
    readonly [S in Severity]?: FindingAction | undefined
  },
): Readonly<Record<Severity, FindingAction>> =>
  Object.freeze({
    low: actions.low ?? ACTION_LEFT_OUT,
    medium: actions.medium ?? ACTION_LEFT_OUT,
    high: actions.high ?? ACTION_LEFT_OUT,
    critical: actions.critical ?? ACTION_LEFT_OUT,
  })

const S_MS = 1_000

function compileRunaway({ velocity, repeats, throttle, ...rest }: RunawayDocument): CompiledRunaway {
  const { mode, action, pauseMs } = rest
  return Object.freeze({
    mode,
    action,
    pauseMs,
    velocity: velocity
      ? {
          factor: velocity.factor,
          minPerMinute: Number(velocity.minUsdPerMinute),
          windowMs: velocity.windowS * S_MS,
        }
      : null,
    repeats: repeats
      ? { count: repeats.count, withinMs: repeats.withinS * S_MS, similarity: repeats.similarity }
      : null,
    throttle: { requestsPerMinute: throttle.requestsPerMinute, forMs: throttle.forS * S_MS },
  })
}
