import type { Principal, ProviderName, SecurityPolicyDocument } from '@agentcostcontrol/contract'
import { compileSecurity } from './compile-security.ts'
import { memoised } from './memo.ts'
import type { CompiledSecurity } from './types.ts'

type Selector = NonNullable<SecurityPolicyDocument['spec']['selector']>

/** Agents whose rules are remembered; names come from requests, so there is a bound. */
const KNOWN_MAX = 10_000
const EACH_AGENT = '*'

interface Rule {
  readonly security: CompiledSecurity
  readonly selector: Selector
  readonly named: number
}

/** How a selector reads to people; the same for two that hold for the same requests. */
export function describeSelector(selector: Selector = {}): string {
  const { agent, workflow, provider, tags = {} } = selector
  const parts = [
    agent === undefined || agent === EACH_AGENT ? [] : [`agent "${agent}"`],
    workflow === undefined ? [] : [`workflow "${workflow}"`],
    provider === undefined ? [] : [`provider ${provider}`],
    Object.keys(tags)
      .toSorted()
      .map((key) => `tag ${key}="${tags[key]}"`),
  ].flat()
  return parts.length === 0 ? 'every agent' : parts.join(' and ')
}

/** Finds the policy that holds: of those whose selector fits the one that names most, then the first by name. */
export function createSecurityMatch(
  documents: readonly SecurityPolicyDocument[],
): (principal: Principal, provider: ProviderName | null) => CompiledSecurity | null {
  const rules = documents
    .map((document): Rule => {
      const selector = document.spec.selector ?? {}
      return { security: compileSecurity(document), selector, named: countOf(selector) }
    })
    .toSorted((a, b) => b.named - a.named || (a.security.name < b.security.name ? -1 : 1))
  const ofAgent = memoised(KNOWN_MAX, (agent) => rules.filter(({ selector }) => isOf(selector, agent)))
  return (principal, provider) =>
    ofAgent(principal.agent).find(({ selector }) => fits(selector, principal, provider))?.security ?? null
}

const isOf = ({ agent }: Selector, asked: string | null): boolean =>
  agent === undefined || agent === EACH_AGENT || agent === asked

const countOf = ({ agent, workflow, provider, tags = {} }: Selector): number =>
  [agent === EACH_AGENT ? undefined : agent, workflow, provider].filter((part) => part !== undefined).length +
  Object.keys(tags).length

const fits = ({ workflow, provider, tags = {} }: Selector, principal: Principal, asked: ProviderName | null): boolean =>
  (workflow === undefined || workflow === principal.workflow) &&
  (provider === undefined || provider === asked) &&
  Object.entries(tags).every(([key, value]) => principal.tags[key] === value)
