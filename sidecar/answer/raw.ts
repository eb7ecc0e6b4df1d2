import { type Answer, type Finish, type Reply, type Upstream, unread } from './answer.ts'

/** Passes an answer on as it comes: errors of the provider, endpoints without a price, formats that nobody reads. */
export function openRawAnswer(reply: Reply, upstream: Upstream, status: number, finish: Finish): Answer {
  return {
    data: (chunk) => {
      if (!reply.write(chunk)) {
        upstream.pause()
        reply.onDrain(() => upstream.resume())
      }
    },
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
