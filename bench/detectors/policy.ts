import {
  type CompiledPolicy,
  type CompiledSecurity,
  compilePolicy,
  readFolder,
  viewFolder,
} from '@agentcostcontrol/policy'

/** The policy of a folder, and its SecurityPolicy that holds for every agent. */
export interface EvalPolicy {
  readonly policy: CompiledPolicy
  readonly security: CompiledSecurity
}

/** Reads and compiles a policy folder. @throws if it is not valid, or inspects nothing */
export async function readPolicy(folder: string): Promise<EvalPolicy> {
  const { files, problems } = await readFolder(folder, await viewFolder(folder))
  const result = compilePolicy(files)
  const [problem] = [...problems, ...(result.ok ? [] : result.problems)]
  if (problem || !result.ok) throw new Error(`${folder}/${problem?.file}:${problem?.line}: ${problem?.message}`)
  const principal = { agent: 'evaluation', workflow: null, session: null, task: null, tags: {} }
  const security = result.policy.securityFor(principal, 'openai')
  if (security === null) throw new Error(`${folder}: no SecurityPolicy holds for every agent`)
  return { policy: result.policy, security }
}
