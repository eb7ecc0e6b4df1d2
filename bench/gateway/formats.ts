/** The wire formats that are measured: how each is asked, and what its answers look like when they are whole. */

/** All formats; the first is the one that others are compared with. */
export const FORMATS = ['openai', 'anthropic', 'gemini'] as const
/** One of {@link FORMATS}. */
export type Format = (typeof FORMATS)[number]

/** What the load generator must know of a format. */
export interface FormatFacts {
  readonly title: string
  readonly model: string
  /** The sidecar's name for it in front of the path. */
  readonly prefix: string
  path(stream: boolean): string
  readonly headers: Readonly<Record<string, string>>
  /** Stands in every plain answer that is complete: its usage. */
  readonly usage: string
  /** Stands in an event with content, and in none before. */
  readonly content: RegExp
  /** How a stream ends that is complete; its last line break is left out. */
  readonly end: RegExp
}

const GEMINI_MODEL = 'gemini-2.5-flash'

/** By name. */
export const FORMAT_FACTS: Readonly<Record<Format, FormatFacts>> = {
  openai: {
    title: "OpenAI's chat",
    model: 'gpt-4o-mini',
    prefix: '/openai',
    path: () => '/v1/chat/completions',
    headers: {},
    usage: '"total_tokens"',
    content: /"content": ?"[^"]/,
    end: /data: \[DONE\]$/,
  },
  anthropic: {
    title: "Anthropic's messages",
    model: 'claude-haiku-4-5',
    prefix: '/anthropic',
    path: () => '/v1/messages',
    headers: { 'x-api-key': 'bench', 'anthropic-version': '2023-06-01' },
    usage: '"output_tokens"',
    content: /"text": ?"[^"]/,
    end: /"type": ?"message_stop"\}$/,
  },
  gemini: {
    title: "Gemini's content",
    model: GEMINI_MODEL,
    prefix: '/google',
    path: (stream) => `/v1beta/models/${GEMINI_MODEL}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    headers: { 'x-goog-api-key': 'bench' },
    usage: '"totalTokenCount"',
    content: /"text": ?"[^"]/,
    end: /"finishReason": ?"STOP"[^\n]*\}$/,
  },
}
