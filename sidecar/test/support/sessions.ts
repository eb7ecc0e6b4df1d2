import { type Finding, POLICY_API_VERSION, type Principal, type Segment } from '@agentcostcontrol/contract'
import { DETECTORS } from '@agentcostcontrol/detectors'
import { type CompiledSecurity, compilePolicy } from '@agentcostcontrol/policy'
import type { SessionInspection, SessionTurn } from '../../inspect/session/session-inspection.ts'
import type { SeenUnit, SessionRequest } from '../../inspect/session/session-request.ts'

/** Nobody in particular. */
export const SOMEBODY: Principal = { agent: 'a', workflow: null, session: null, task: null, tags: {} }

/** A policy with these detectors. */
export function securityOf(detectors: readonly string[]): CompiledSecurity {
  const document = {
    apiVersion: POLICY_API_VERSION,
    kind: 'SecurityPolicy',
    metadata: { name: 'test' },
    spec: { detectors: Object.fromEntries(detectors.map((id) => [id, {}])) },
  }
  const compiled = compilePolicy([{ path: 'test.yaml', text: JSON.stringify(document) }])
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems))
  const security = compiled.policy.securityFor(SOMEBODY, null)
  if (security === null) throw new Error('no policy holds')
  return security
}

/** The policy that sessions are there for. */
export const BOTH = securityOf(['flow', 'prompt-leak'])

/** A request of nobody in particular as its scan hands it on; what else is not said is as it mostly is. */
export const sessionRequest = (
  request: Pick<SessionRequest, 'segments' | 'verdicts' | 'units'> & Partial<SessionRequest>,
): SessionRequest => ({
  principal: SOMEBODY,
  security: BOTH,
  previousResponseId: null,
  keepsAnswer: false,
  decode: (segment) => segment,
  ...request,
})

/** Has a request inspected, as the pipeline does: each text a unit of its own, under a key if it is long, if nothing else is said. */
export function inspectTurn(
  inspection: SessionInspection,
  segments: readonly Segment[],
  options: {
    readonly principal?: Principal
    readonly previousResponseId?: string
    readonly keepsAnswer?: boolean
    readonly security?: CompiledSecurity
    readonly units?: readonly SeenUnit[]
  } = {},
): SessionTurn {
  return inspection.request(
    sessionRequest({
      ...options,
      segments,
      verdicts: segments.map((segment) => DETECTORS.flatMap((detector) => detector.detect(segment.text, segment))),
      units:
        options.units ??
        segments.map(({ source, text }, at) => ({ at: [at], key: text.length < 40 ? null : `${source} ${text}` })),
    }),
  )
}

/** How a list of findings reads. */
export const told = (findings: readonly Finding[]): readonly string[] =>
  findings.map(({ detectorId, ruleId, severity }) => `${detectorId}/${ruleId} ${severity}`)

/** A segment. */
export const segmentOf = (source: Segment['source'], text: string, tool?: string): Segment => ({
  source,
  path: [],
  text,
  ...(tool === undefined ? {} : { tool }),
})
