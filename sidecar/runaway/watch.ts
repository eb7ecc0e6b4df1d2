import { type EventFinding, type Principal, SUBJECT_NONE, type UsageEvent } from '@agentcostcontrol/contract'
import { UNBOUNDED_CONSUMPTION } from '@agentcostcontrol/detectors'
import type { CompiledRunaway, CompiledSecurity } from '@agentcostcontrol/policy'
import type { Clock } from '../clock.ts'
import type { AgentStates } from '../control/agent-states.ts'
import { type Authorized, type Denial, denial } from '../exchange.ts'
import { Throttle } from '../throttle.ts'
import { fingerprintOf } from './fingerprint.ts'
import { Repeats } from './repeats.ts'
import { Velocity } from './velocity.ts'

/** Part of stage 3: whether an agent runs away. Looks at nothing where the policy does not ask for it. */
export type Watch = (authorized: Authorized) => Denial | readonly EventFinding[]

/** The detectors of runaway agents, and what is done about them. */
export interface RunawayControl {
  readonly watch: Watch
  /** Told of each exchange when it is over. */
  spent(event: Pick<UsageEvent, 'principal' | 'attempts'>): void
  stats(): { readonly sessions: number; readonly agents: number; readonly throttled: number }
}

/** What it needs. */
export interface RunawayOptions {
  /** The security policy that holds for whoever asks. */
  securityFor(principal: Principal): CompiledSecurity | null
  readonly agents: Pick<AgentStates, 'pauseHere'>
  readonly clock: Clock
}

type Rule = 'repeated-prompt' | 'spend-velocity'

const NOTHING: readonly EventFinding[] = []

/** Agents that are slowed down at once. */
const THROTTLED_MAX = 1_000

/** Makes the detectors. */
export function createRunawayControl({ securityFor, agents, clock }: RunawayOptions): RunawayControl {
  const [repeats, velocity, throttle] = [new Repeats(), new Velocity(), new Throttle(THROTTLED_MAX)]

  /** What is seen in a request, or in what its agent spent; each at most once a window. */
  function look({ identified }: Authorized, runaway: CompiledRunaway, agent: string, nowMs: number): readonly Rule[] {
    const rules: Rule[] = []
    const { ask, principal } = identified
    if (runaway.repeats !== null && ask.kind === 'metered') {
      const print = fingerprintOf(ask.adapter.segments(ask.request), ask.request.json)
      const session = `${agent}\u0000${principal.session ?? ''}`
      if (print !== null && repeats.count(session, print, runaway.repeats, nowMs)) rules.push('repeated-prompt')
    }
    if (runaway.velocity !== null && velocity.judge(agent, runaway.velocity, nowMs)) rules.push('spend-velocity')
    return rules
  }

  return {
    watch: (authorized) => {
      const runaway = authorized.security?.runaway ?? null
      if (runaway === null) return NOTHING
      const { mode, action } = runaway
      const agent = authorized.identified.principal.agent ?? SUBJECT_NONE
      const nowMs = clock.monotonicMs()
      const enforced = mode === 'enforce'
      if (enforced && action === 'throttle') {
        const waitMs = throttle.take(agent, nowMs)
        if (waitMs > 0) return throttled(agent, waitMs)
      }
      const rules = look(authorized, runaway, agent, nowMs)
      if (rules.length === 0) return NOTHING
      const findings = rules.map((rule) => findingOf(rule, runaway))
      if (!enforced || action === 'alert') return findings
      if (action === 'throttle') {
        throttle.slow(agent, runaway.throttle, nowMs)
        return findings
      }
      const reason = rules.map((rule) => SEEN[rule]).join(' and ')
      agents.pauseHere(authorized.identified.principal.agent, reason, runaway.pauseMs)
      const retryAfterS = Math.ceil(runaway.pauseMs / 1_000)
      const message = `The agent "${agent}" is paused by this sidecar for ${retryAfterS} s: ${reason}.`
      return denial('acc_agent_paused', message, {
        retryAfterS,
        findings,
        details: { agent, paused_by: 'sidecar', reason },
      })
    },
    spent: ({ principal, attempts }) => {
      if (attempts.length === 0) return
      const settings = securityFor(principal)?.runaway?.velocity ?? null
      if (settings === null) return
      const nano = attempts.reduce((sum, { chargedNanoUsd }) => sum + Number(chargedNanoUsd), 0)
      velocity.spent(principal.agent ?? SUBJECT_NONE, nano, settings, clock.monotonicMs())
    },
    stats: () => ({ sessions: repeats.size, agents: velocity.size, throttled: throttle.size }),
  }
}

/** Why, as whoever runs the agent is told; never text of a prompt. */
const SEEN: Readonly<Record<Rule, string>> = {
  'repeated-prompt': 'it asks the same, or nearly the same, again and again',
  'spend-velocity': 'it spends many times what is usual for it',
}

/** Raised by hand when a loop comes to be another thing. */
const DETECTOR_VERSION = '1'

/** A finding of the request that completes the loop: of no single place in it, so none is told. */
const findingOf = (ruleId: Rule, { mode, action }: CompiledRunaway): EventFinding => ({
  detectorId: 'loop',
  ruleId,
  severity: 'high',
  direction: 'request',
  action: action === 'pause' ? 'block' : action === 'throttle' ? 'warn' : 'alert',
  mode,
  count: 1,
  detail: {
    source: 'user',
    tool: null,
    category: 'runaway',
    score: 1,
    detectorVersion: DETECTOR_VERSION,
    taxonomy: UNBOUNDED_CONSUMPTION,
    inspectionUs: null,
    places: [],
  },
})

function throttled(agent: string, waitMs: number): Denial {
  const retryAfterS = Math.ceil(waitMs / 1_000)
  const message = `The agent "${agent}" is slowed down by this sidecar, since it seems to run away: its next request may pass in ${retryAfterS} s.`
  return denial('acc_agent_throttled', message, { retryAfterS, details: { agent } })
}
