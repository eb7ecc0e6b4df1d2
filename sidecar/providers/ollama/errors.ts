import type { Denial } from '../../exchange.ts'
import type { ErrorFormat } from '../provider.ts'

/** Ollama's error object: its clients raise the text of `error`; our code and figures stand beside it. */
export const ollamaErrors: ErrorFormat = {
  renderError: ({ message, code, details }: Denial) => ({
    contentType: 'application/json; charset=utf-8',
    body: Buffer.from(JSON.stringify({ error: message, code, ...details })),
  }),
}
