import type { IncomingMessage, ServerResponse } from 'node:http'
import { type FastAnswers, fastAnswersOf } from './fast-answers.ts'

/** Headers of every answer. */
const HEAD = ['x-request-id', 'req_fast', 'x-simulated', 'agentcostcontrol']

/**
 * The benchmark's path: one fixed answer for each format, nothing parsed, the body only consumed. A stream's chunks are
 * sent by one shared clock per delay, so that two hundred streams cost two hundred writes and one timer.
 */
export function createFastMode(): {
  handle(request: IncomingMessage, response: ServerResponse, streamed: boolean): void
  close(): void
} {
  const clocks = new Map<number, { readonly timer: NodeJS.Timeout; readonly running: Set<() => void> }>()

  function every(delayMs: number, step: () => void): () => void {
    let clock = clocks.get(delayMs)
    if (!clock) {
      const running = new Set<() => void>()
      clock = {
        running,
        timer: setInterval(
          () =>
            running.forEach((each) => {
              each()
            }),
          delayMs,
        ),
      }
      clocks.set(delayMs, clock)
    }
    const { running } = clock
    running.add(step)
    return () => running.delete(step)
  }

  function stream(request: IncomingMessage, response: ServerResponse, answers: FastAnswers, asked: boolean): void {
    const chunks = Number(request.headers['x-sim-chunks'] ?? 20)
    const delayMs = Number(request.headers['x-sim-chunk-delay-ms'] ?? 0)
    const { first, next, last } = (asked ? answers.asked : null) ?? answers
    response.writeHead(200, ['content-type', 'text/event-stream; charset=utf-8', ...HEAD])
    let sent = 0
    const step = (): boolean => {
      if (sent === chunks) {
        response.end(last)
        return false
      }
      response.write(sent === 0 ? first : next)
      sent++
      return true
    }
    if (delayMs === 0) {
      while (step()) {}
      return
    }
    const stop = every(delayMs, () => {
      if (response.destroyed || !step()) stop()
    })
    response.once('close', stop)
  }

  return {
    handle: (request, response, streamed) => {
      const answers = fastAnswersOf(request.url ?? '')
      const usage: Buffer[] = []
      request.on('data', (chunk: Buffer) => {
        if (streamed) usage.push(chunk)
      })
      request.once('end', () => {
        if (streamed) stream(request, response, answers, Buffer.concat(usage).includes('"include_usage":true'))
        else {
          const { plain } = answers
          response.writeHead(200, ['content-type', 'application/json', 'content-length', String(plain.length), ...HEAD])
          response.end(plain)
        }
      })
    },
    close: () => {
      for (const { timer } of clocks.values()) clearInterval(timer)
    },
  }
}
