import type { Finding } from '@agentcostcontrol/contract'
import type { CompiledSecurity } from '@agentcostcontrol/policy'
import { LeakMatcher } from './leak-matcher.ts'
import type { SessionState } from './state.ts'

/** What a whole text tells of the session's system prompts. */
export function leaksIn(session: SessionState, security: CompiledSecurity, text: string): readonly Finding[] {
  if (session.prompts.length === 0 || !security.byDetector.has('prompt-leak')) return []
  const matcher = new LeakMatcher(() => session.prompts)
  const first = matcher.push(text)
  const last = matcher.end() ?? first
  return last ? [{ ...last, start: 0, end: text.length }] : []
}
