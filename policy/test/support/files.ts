import type { Principal } from '@agentcostcontrol/contract'
import { type CompiledPolicy, compilePolicy, type PolicyFile } from '../../index.ts'

/** A request of an agent. */
export const principal = (agent: string | null): Principal => ({
  agent,
  workflow: null,
  session: null,
  task: null,
  tags: {},
})

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
