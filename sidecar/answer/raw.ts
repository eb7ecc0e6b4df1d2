import type { EventFinding } from '@agentcostcontrol/contract'
import { type Answer, type Finish, type Reply, type Upstream, unread } from './answer.ts'
import { Pump } from './flow.ts'

const NONE: readonly EventFinding[] = []

/**
 * Passes an answer on as it comes: errors of the provider, endpoints without a price, formats that nobody reads.
 * @param findings for the event, of an answer that should have been read
 */
export function openRawAnswer(
  reply: Reply,
  upstream: Upstream,
  status: number,
  finish: Finish,
  findings = NONE,
): Answer {
  const out = new Pump(reply, upstream)
  return {
    data: (chunk) => out.push(chunk),
    end: () => {
      reply.end()
      finish(unread('completed', null, status, findings))
    },
    fail: (code) => {
      reply.destroy()
      finish(unread('failed', code, status, findings))
    },
    abandon: () => finish(unread('aborted', null, null, findings)),
  }
}
