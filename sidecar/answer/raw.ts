import { type Answer, type Finish, type Reply, type Upstream, unread } from './answer.ts'
import { Pump } from './flow.ts'

/** Passes an answer on as it comes: errors of the provider, endpoints without a price, formats that nobody reads. */
export function openRawAnswer(reply: Reply, upstream: Upstream, status: number, finish: Finish): Answer {
  const out = new Pump(reply, upstream)
  return {
    data: (chunk) => out.push(chunk),
    end: () => {
      reply.end()
      finish(unread('completed', null, status))
    },
    fail: (code) => {
      reply.destroy()
      finish(unread('failed', code, status))
    },
    abandon: () => finish(unread('aborted', null, null)),
  }
}
