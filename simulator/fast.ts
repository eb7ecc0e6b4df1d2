import type { IncomingMessage, ServerResponse } from 'node:http'

/**
 * The benchmark's path: one fixed answer, nothing parsed, the body only consumed. A stream's chunks are sent by one
 * shared clock per delay, so that two hundred streams cost two hundred writes and one timer.
 */
export function createFastChat(): {
  handle(request: IncomingMessage, response: ServerResponse, streamed: boolean): void
  close(): void
} {
  const answer = Buffer.from(
    JSON.stringify({
      id: 'chatcmpl-fast',
      object: 'chat.completion',
      created: 1_790_000_000,
      model: 'gpt-4.1-mini',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'A fixed answer of the fast mode, long enough to be read. '.repeat(8),
            refusal: null,
            annotations: [],
          },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: 200,
        completion_tokens: 120,
        total_tokens: 320,
        prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
        completion_tokens_details: {
          reasoning_tokens: 0,
          audio_tokens: 0,
          accepted_prediction_tokens: 0,
          rejected_prediction_tokens: 0,
        },
      },
      service_tier: 'default',
      system_fingerprint: 'fp_simulated',
    }),
  )
  const head = [
    'content-type',
    'application/json',
    'content-length',
    String(answer.length),
    'x-request-id',
    'req_fast',
    'x-simulated',
    'agentcostcontrol',
  ]
  const streamHead = [
    'content-type',
    'text/event-stream; charset=utf-8',
    'x-request-id',
    'req_fast',
    'x-simulated',
    'agentcostcontrol',
  ]
  const event = (delta: object, finish: string | null, usage: boolean): Buffer =>
    Buffer.from(
      `data: ${JSON.stringify({ id: 'chatcmpl-fast', object: 'chat.completion.chunk', created: 1_790_000_000, model: 'gpt-4.1-mini', service_tier: 'default', system_fingerprint: 'fp_simulated', choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }], ...(usage ? { usage: null } : {}) })}\n\n`,
    )
  const events = [false, true].map((usage) => ({
    first: event({ role: 'assistant', content: '', refusal: null }, null, usage),
    next: event({ content: ' tokens' }, null, usage),
    last: event({}, 'stop', usage),
  }))
  const usageEvent = Buffer.from(
    `data: ${JSON.stringify({ id: 'chatcmpl-fast', object: 'chat.completion.chunk', created: 1_790_000_000, model: 'gpt-4.1-mini', choices: [], usage: { prompt_tokens: 200, completion_tokens: 100, total_tokens: 300 } })}\n\n`,
  )
  const done = Buffer.from('data: [DONE]\n\n')
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

  function stream(request: IncomingMessage, response: ServerResponse, usage: boolean): void {
    const chunks = Number(request.headers['x-sim-chunks'] ?? 20)
    const delayMs = Number(request.headers['x-sim-chunk-delay-ms'] ?? 0)
    const set = events[usage ? 1 : 0]
    if (!set) return
    response.writeHead(200, streamHead)
    let sent = 0
    const step = (): boolean => {
      if (sent === 0) response.write(set.first)
      else if (sent < chunks) response.write(set.next)
      else {
        response.write(set.last)
        if (usage) response.write(usageEvent)
        response.end(done)
        return false
      }
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
      const usage: Buffer[] = []
      request.on('data', (chunk: Buffer) => {
        if (streamed) usage.push(chunk)
      })
      request.once('end', () => {
        if (streamed) stream(request, response, Buffer.concat(usage).includes('"include_usage":true'))
        else {
          response.writeHead(200, head)
          response.end(answer)
        }
      })
    },
    close: () => {
      for (const { timer } of clocks.values()) clearInterval(timer)
    },
  }
}
