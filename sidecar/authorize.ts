import { type Principal, SUBJECT_NONE } from '@agentcostcontrol/contract'
import type { CompiledPolicy, CompiledSecurity } from '@agentcostcontrol/policy'
import type { AgentStates, Stop } from './control/agent-states.ts'
import { recordedPath } from './events/recorded-path.ts'
import { type Authorized, type Denial, denial, type Identified } from './exchange.ts'

/** Stage 3: the policy and the security policy that apply. */
export type Authorize = (identified: Identified) => Authorized | Denial

/** What stage 3 looks at. */
export interface AuthorizeOptions {
  /** What requests are held to, or `null` while there is nothing. */
  current(): CompiledPolicy | null
  /** Whether that is because the policy is too old. */
  isStale(): boolean
  readonly agents: Pick<AgentStates, 'of'>
}

/** Makes stage 3. */
export function createAuthorize({ current, isStale, agents }: AuthorizeOptions): Authorize {
  return (identified) => {
    const stop = agents.of(identified.principal.agent)
    if (stop?.state === 'quarantined') return quarantined(identified.principal, stop)
    if (stop?.by === 'told') return stopped(identified.principal, stop)
    const policy = current()
    if (policy === null) return isStale() ? STALE : MISSING
    const provider = policy.provider(identified.provider)
    if (identified.ask.kind === 'passThrough') {
      const refusal = judgePassThrough(identified, identified.ask.billable, provider)
      if (refusal) return refusal
    }
    const security = policy.securityFor(identified.principal, identified.provider)
    // A pause of its own ends with the rule that made it: whoever writes policy can end it without a control plane.
    if (stop !== null && pauses(security)) return stopped(identified.principal, stop)
    return {
      identified,
      policy,
      provider,
      security,
    }
  }
}

const pauses = (security: CompiledSecurity | null): boolean =>
  security?.runaway?.mode === 'enforce' && security.runaway.action === 'pause'

/** Nobody else than whoever runs the agent reads this: it tells what they wrote. */
function stopped({ agent }: Principal, { by, reason, leftMs }: Stop): Denial {
  const name = agent ?? SUBJECT_NONE
  const retryAfterS = leftMs === null ? null : Math.ceil(leftMs / 1_000)
  const end = retryAfterS === null ? 'until it is resumed' : `for ${retryAfterS} s, or until it is resumed`
  return denial(
    'acc_agent_paused',
    `The agent "${name}" is paused ${end}: ${reason}. It is resumed by POST /api/v1/agents/${encodeURIComponent(name)}/resume of the control plane.`,
    { retryAfterS, details: { agent: name, paused_by: by === 'told' ? 'control plane' : 'sidecar', reason } },
  )
}

/** A quarantine of this sidecar's own ends at the control plane too, which learns of it from the event. */
function quarantined({ agent }: Principal, { by, reason }: Stop): Denial {
  const name = agent ?? SUBJECT_NONE
  return denial(
    'acc_agent_quarantined',
    `The agent "${name}" is in quarantine until a person releases it: ${reason}. It is released by POST /api/v1/agents/${encodeURIComponent(name)}/release of the control plane${by === 'own' ? ', or by "acc release" at a sidecar that stands alone' : ''}.`,
    { details: { agent: name, quarantined_by: by === 'told' ? 'control plane' : 'sidecar', reason } },
  )
}

const MISSING = denial(
  'acc_policy_missing',
  'The sidecar has no valid policy yet: see its log and /readyz for the reason.',
  { retryAfterS: 5 },
)

const STALE = denial(
  'acc_policy_stale',
  'The control plane has been silent for longer than ACC_STALE_AFTER_MS, and ACC_ON_STALE is failClosed. This ends by itself when it answers.',
  { retryAfterS: 5 },
)

function judgePassThrough(
  identified: Identified,
  billable: boolean,
  provider: ReturnType<CompiledPolicy['provider']>,
): Denial | null {
  const endpoint = () => `${identified.raw.method} ${recordedPath(identified.upstreamTarget, false)}`
  if (billable && provider.onUnbounded !== 'allowCounted') {
    return denial(
      'acc_endpoint_denied',
      `${endpoint()} may cost money that this version does not meter. To let it through uncovered by any budget, set onUnbounded: allowCounted in the ProviderConfig "${provider.name}".`,
    )
  }
  if (!billable && provider.onUnpricedEndpoint === 'deny') {
    return denial(
      'acc_endpoint_denied',
      `${endpoint()} is denied by onUnpricedEndpoint in the ProviderConfig "${provider.name}".`,
    )
  }
  return null
}
