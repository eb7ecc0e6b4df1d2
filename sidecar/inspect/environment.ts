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
  /** Each tells its index in force, `null` for none; all of them are looked at. */
  readonly intel: readonly (() => Intel | null)[]
}

/** Tells what detectors are made of now; made anew when the policy or an index is another one. */
export function createEnvironment({ policy, intel }: EnvironmentSources): () => DetectorEnvironment {
  const read = (): readonly (Intel | null)[] => intel.map((current) => current())
  let [lastPolicy, lastIntel, last] = [policy(), read(), EMPTY_ENVIRONMENT]
  last = environmentOf(lastPolicy, lastIntel)
  const isLast = (current: () => Intel | null, at: number): boolean => current() === lastIntel[at]
  return () => {
    const nowPolicy = policy()
    if (nowPolicy === lastPolicy && intel.every(isLast)) return last
    lastPolicy = nowPolicy
    lastIntel = read()
    last = environmentOf(nowPolicy, lastIntel)
    return last
  }
}

function environmentOf(policy: CompiledPolicy | null, intel: readonly (Intel | null)[]): DetectorEnvironment {
  const customRules = policy?.customRules ?? []
  // A revision without rules of its own is as good as another.
  const rules = customRules.length === 0 ? '' : (policy?.revision ?? '')
  const inForce = intel.filter((each) => each !== null)
  const key = `${inForce.map(({ version }) => version).join(',')} ${rules}`
  return { key, intel: inForce.map(({ index }) => index), customRules }
}
