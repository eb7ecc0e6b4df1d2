import { type DetectorEnvironment, EMPTY_ENVIRONMENT } from '@agentcostcontrol/detectors'
import type { CompiledPolicy } from '@agentcostcontrol/policy'

/** An index of threat intelligence, and what names its content. */
export interface Intel {
  readonly version: string
  readonly index: SharedArrayBuffer
}

/** Where what detectors are made of comes from. */
export interface EnvironmentSources {
  policy(): CompiledPolicy | null
  intel(): Intel | null
}

/** Tells what detectors are made of now; made anew when the policy or the index is another one. */
export function createEnvironment({ policy, intel }: EnvironmentSources): () => DetectorEnvironment {
  let [lastPolicy, lastIntel, last] = [policy(), intel(), EMPTY_ENVIRONMENT]
  last = environmentOf(lastPolicy, lastIntel)
  return () => {
    const [nowPolicy, nowIntel] = [policy(), intel()]
    if (nowPolicy === lastPolicy && nowIntel === lastIntel) return last
    lastPolicy = nowPolicy
    lastIntel = nowIntel
    last = environmentOf(nowPolicy, nowIntel)
    return last
  }
}

function environmentOf(policy: CompiledPolicy | null, intel: Intel | null): DetectorEnvironment {
  const customRules = policy?.customRules ?? []
  // A revision without rules of its own is as good as another.
  const rules = customRules.length === 0 ? '' : (policy?.revision ?? '')
  return { key: `${intel?.version ?? ''} ${rules}`, intel: intel?.index ?? null, customRules }
}
