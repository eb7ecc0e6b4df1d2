/** One chat request, as a client writes it. */
export interface Ask {
  readonly model?: string
  readonly prompt?: string
  readonly stream?: boolean
  /** Controls of the simulator, without their `x-sim-`. */
  readonly sim?: Readonly<Record<string, string | number>>
  readonly headers?: Readonly<Record<string, string>>
  /** Further members of the body. */
  readonly body?: Readonly<Record<string, unknown>>
  readonly signal?: AbortSignal
}

/** The body of a chat request: its length bounds the input. */
export const askBody = ({ model = 'gpt-4.1-mini', prompt = 'hello', stream = false, body = {} }: Ask): string =>
  JSON.stringify({ model, messages: [{ role: 'user', content: prompt }], ...(stream ? { stream } : {}), ...body })

/** Its headers, those of the simulator included. */
const askHeaders = ({ sim = {}, headers = {} }: Ask): Record<string, string> => ({
  authorization: 'Bearer any',
  'content-type': 'application/json',
  ...Object.fromEntries(Object.entries(sim).map(([name, value]) => [`x-sim-${name}`, String(value)])),
  ...headers,
})

/** Sends a chat request; resolves with the head of the answer. @param url of a sidecar or of a simulator */
export function send(url: string, ask: Ask = {}): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: askHeaders(ask),
    body: askBody(ask),
    ...(ask.signal ? { signal: ask.signal } : {}),
  })
}

/** Reads a stream until its text so far holds what is looked for, and leaves it open. @throws if it ends before */
export async function readUntil(
  response: Response,
  found: string | ((text: string) => boolean),
): Promise<{ readonly text: string; leave(): Promise<void> }> {
  const matches = typeof found === 'string' ? (text: string): boolean => text.includes(found) : found
  const reader = response.body?.getReader()
  if (!reader) throw new Error('the answer has no body')
  const decoder = new TextDecoder()
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) throw new Error(`the stream ended before what was looked for: ${text.slice(-200)}`)
    text += decoder.decode(value, { stream: true })
    if (matches(text)) return { text, leave: () => reader.cancel() }
  }
}

/** The chunks of a stream's text, without its end mark. */
const chunksOf = (text: string): readonly Readonly<Record<string, unknown>>[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice('data: '.length)))

/** What a stream's text says: the content of all its deltas. */
export const contentOf = (text: string): string =>
  chunksOf(text)
    .flatMap(({ choices }) => (Array.isArray(choices) ? choices : []))
    .map((choice: { delta?: { content?: string | null } }) => choice.delta?.content ?? '')
    .join('')
