/** The fixed answers of the fast mode: each format's, whole and as the events of a stream. */

/** A format's fixed answers. */
export interface FastAnswers {
  readonly plain: Buffer
  /** What begins a stream, what is sent again and again, and all that ends it. */
  readonly first: Buffer
  readonly next: Buffer
  readonly last: Buffer
  /** The same for who asks for usage, where a format lets one ask. */
  readonly asked: { readonly first: Buffer; readonly next: Buffer; readonly last: Buffer } | null
}

const WORDS = 'A fixed answer of the fast mode, long enough to be read. '.repeat(8)

const bytes = (json: object): Buffer => Buffer.from(JSON.stringify(json))

function openai(): FastAnswers {
  const usage = { prompt_tokens: 200, completion_tokens: 100, total_tokens: 300 }
  const shared = { id: 'chatcmpl-fast', created: 1_790_000_000, model: 'gpt-4.1-mini', service_tier: 'default' }
  const chunk = { ...shared, object: 'chat.completion.chunk', system_fingerprint: 'fp_simulated' }
  const data = (json: object): string => `data: ${JSON.stringify(json)}\n\n`
  const events = (empty: object, report: string) => {
    const event = (delta: object, finish_reason: string | null): string =>
      data({ ...chunk, choices: [{ index: 0, delta, logprobs: null, finish_reason }], ...empty })
    return {
      first: Buffer.from(event({ role: 'assistant', content: '', refusal: null }, null)),
      next: Buffer.from(event({ content: ' tokens' }, null)),
      last: Buffer.from(`${event({}, 'stop')}${report}data: [DONE]\n\n`),
    }
  }
  const message = { role: 'assistant', content: WORDS, refusal: null, annotations: [] }
  const plain = {
    ...shared,
    object: 'chat.completion',
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
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
    system_fingerprint: 'fp_simulated',
  }
  const asked = events({ usage: null }, data({ ...chunk, choices: [], usage }))
  return { plain: bytes(plain), ...events({}, ''), asked }
}

function anthropic(): FastAnswers {
  const cache = { cache_creation_input_tokens: 0, cache_read_input_tokens: 0 }
  const usage = { input_tokens: 200, ...cache, output_tokens: 1, service_tier: 'standard' }
  const message = { id: 'msg_fast', type: 'message', role: 'assistant', model: 'claude-haiku-4-5-20251001' }
  const event = (type: string, more: object): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
  const unfinished = { ...message, content: [], stop_reason: null, stop_sequence: null, usage }
  const ended = { stop_reason: 'end_turn', stop_sequence: null }
  return {
    plain: bytes({
      ...message,
      content: [{ type: 'text', text: WORDS, citations: null }],
      ...ended,
      usage: { ...usage, output_tokens: 120 },
    }),
    first: Buffer.from(
      event('message_start', { message: unfinished }) +
        event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    ),
    next: Buffer.from(event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: ' tokens' } })),
    last: Buffer.from(
      event('content_block_stop', { index: 0 }) +
        event('message_delta', { delta: ended, usage: { ...cache, input_tokens: 200, output_tokens: 100 } }) +
        event('message_stop', {}),
    ),
    asked: null,
  }
}

function gemini(): FastAnswers {
  const content = (text: string, tokens: number, more: object = {}): object => ({
    candidates: [{ content: { parts: [{ text }], role: 'model' }, ...more, index: 0 }],
    usageMetadata: {
      promptTokenCount: 200,
      candidatesTokenCount: tokens,
      totalTokenCount: 200 + tokens,
      promptTokensDetails: [{ modality: 'TEXT', tokenCount: 200 }],
    },
    modelVersion: 'gemini-2.5-flash',
    responseId: 'fast',
  })
  const event = (json: object): Buffer => Buffer.from(`data: ${JSON.stringify(json)}\r\n\r\n`)
  const stop = { finishReason: 'STOP' }
  return {
    plain: bytes(content(WORDS, 120, stop)),
    first: event(content('First', 1)),
    next: event(content(' tokens', 50)),
    last: event(content('', 100, stop)),
    asked: null,
  }
}

const ANSWERS = { openai: openai(), anthropic: anthropic(), gemini: gemini() }

/** The fixed answers of the format that a path is of. */
export function fastAnswersOf(path: string): FastAnswers {
  if (path.includes('/messages')) return ANSWERS.anthropic
  return path.includes('enerateContent') ? ANSWERS.gemini : ANSWERS.openai
}
