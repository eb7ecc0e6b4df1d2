import { holdsSecret } from './secret-facts.ts'
import type { SessionRequest } from './session-request.ts'

/** What a request tells of the course of its conversation. */
export interface Course {
  /** Nobody but the system and the user has said anything: another conversation that begins the same way is over. */
  readonly isAnew: boolean
  /** Something of it can matter later that no later request brings again, or can matter now. */
  readonly opens: boolean
}

/**
 * Looks at who says something, and reads nothing. A flow needs what a tool gave, or a secret; without them a session is
 * only kept where a later request may leave out what this one says: where the client named it, or the provider keeps it.
 */
export function courseOf(request: SessionRequest): Course {
  const { principal, previousResponseId, keepsAnswer, segments, verdicts } = request
  const isNamed = principal.session !== null || previousResponseId !== null
  let opens = isNamed || keepsAnswer
  let isAnew = !isNamed
  for (let at = 0; at < segments.length && (isAnew || !opens); at++) {
    switch (segments[at]?.source) {
      case 'tool_call':
      case 'tool_result':
        return { isAnew: false, opens: true }
      case 'tool_definition':
        break
      case 'assistant':
        isAnew = false
        break
      default: {
        const verdict = verdicts[at]
        if (verdict && verdict.length > 0 && holdsSecret(verdict)) opens = true
      }
    }
  }
  return { isAnew, opens }
}
