import type { Principal } from '@agentcostcontrol/contract'
import { type CompiledPolicy, compilePolicy, type PolicyFile, type Spender } from '../../index.ts'

/** A request of an agent. */
export const principal = (agent: string | null): Principal => ({
  agent,
  workflow: null,
  session: null,
  task: null,
  tags: {},
})

/** What a request shows to budgets; what is left out it lacks. */
export const spender = ({
  apiKey = null,
  model = null,
  ...named
}: Partial<Principal> & { readonly apiKey?: string | null; readonly model?: Spender['model'] }): Spender => ({
  principal: { ...principal(null), ...named },
  model,
  apiKey: () => apiKey,
})

/** A request of an agent, as budgets see it. */
export const spends = (agent: string | null): Spender => spender({ agent })

/** A file of the folder. */
export const file = (text: string, path = 'policy.yaml'): PolicyFile => ({ path, text })

/** A document as YAML; JSON is a subset of it. */
export const document = (kind: string, name: string, spec: unknown): string =>
  `---\n${JSON.stringify({ apiVersion: 'agentcostcontrol.io/v1', kind, metadata: { name }, spec })}\n`

/** A budget as YAML. */
export const budget = (name: string, spec: object = {}): string =>
  document('Budget', name, { scope: 'global', limit: '25.00', period: 'daily', ...spec })

/** The policy, which has to be valid. */
export function compiled(...files: readonly PolicyFile[]): CompiledPolicy {
  const result = compilePolicy(files)
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  return result.policy
}

/** Every problem as `file:line path: message`. */
export function problems(...files: readonly PolicyFile[]): readonly string[] {
  const result = compilePolicy(files)
  return result.ok ? [] : result.problems.map((it) => `${it.file}:${it.line} ${it.path}: ${it.message}`)
}
