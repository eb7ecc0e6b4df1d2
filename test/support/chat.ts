/** A chat request as a client makes it. */
export interface ChatOptions {
  readonly body?: Readonly<Record<string, unknown>>
  /** The bytes to send in place of a JSON body. */
  readonly raw?: string | Uint8Array<ArrayBuffer>
  readonly headers?: Readonly<Record<string, string>>
  readonly path?: string
}

/** What came back. */
export interface ChatReply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** `error.code` of the answer; `null` if it is none of ours. */
  readonly code: string | null
  readonly message: string
}

const SMALL = { model: 'gpt-4.1-mini', max_tokens: 16, messages: [{ role: 'user', content: 'hello' }] }

/** Sends a small chat request, with `body` merged over it, and reads the answer whole. */
export async function chat(url: string, options: ChatOptions = {}): Promise<ChatReply> {
  const response = await fetch(`${url}${options.path ?? '/openai/v1/chat/completions'}`, {
    method: 'POST',
    headers: { authorization: 'Bearer any', 'content-type': 'application/json', ...options.headers },
    body: options.raw ?? JSON.stringify({ ...SMALL, ...options.body }),
  })
  const text = await response.text()
  const { code, message } = readError(text)
  return { status: response.status, headers: response.headers, text, code, message }
}

/** The code and message of an error in OpenAI's format. */
function readError(text: string): { readonly code: string | null; readonly message: string } {
  try {
    const { error } = JSON.parse(text)
    return { code: error?.code ?? null, message: error?.message ?? '' }
  } catch {
    return { code: null, message: '' }
  }
}
