import { promptShingles, type ShingleSet } from './prompt-shingles.ts'
import { PROMPTS_MAX, type SessionState } from './state.ts'

/** What an answer is judged by. */
export interface AnswerContext {
  /** What is known of it; `null` as long as nothing of it can matter. */
  readonly session: SessionState | null
  /** Whether what was said until now has been read. */
  readonly isRead: boolean
  /** False if none of its system prompts is worth hiding. */
  readonly hasPrompts: boolean
  /** The system prompts that are worth hiding. */
  prompts(): readonly ShingleSet[]
  /** What is known of it, which is kept from now on. */
  open(): SessionState
}

/** A conversation whose session is kept. */
export const openedContext = (session: SessionState): AnswerContext => ({
  session,
  isRead: true,
  hasPrompts: session.prompts.length > 0,
  prompts: () => session.prompts,
  open: () => session,
})

/** System prompts of a request: of short ones the text, which is only read if it has to be. */
export interface UnreadPrompts {
  readonly read: readonly ShingleSet[]
  readonly texts: readonly string[]
}

/**
 * A conversation in which no tool was called yet: nothing could flow, and nothing of it is kept. The request behind a call
 * brings all of it again.
 */
export class UnopenedContext implements AnswerContext {
  readonly isRead = false
  readonly #unread: UnreadPrompts
  readonly #openSession: () => SessionState
  #prompts: readonly ShingleSet[] | null = null
  #session: SessionState | null = null

  constructor(unread: UnreadPrompts, openSession: () => SessionState) {
    this.#unread = unread
    this.#openSession = openSession
  }

  get session(): SessionState | null {
    return this.#session
  }

  get hasPrompts(): boolean {
    return this.#unread.read.length > 0 || this.#unread.texts.length > 0
  }

  prompts(): readonly ShingleSet[] {
    this.#prompts ??= [...this.#unread.read, ...this.#unread.texts.flatMap((text) => promptShingles(text) ?? [])].slice(
      0,
      PROMPTS_MAX,
    )
    return this.#prompts
  }

  /** For a call in the answer: it is judged once, and never again where a later request tells of it. */
  open(): SessionState {
    if (this.#session === null) {
      this.#session = this.#openSession()
      for (const prompt of this.prompts()) this.#session.addPrompt(prompt)
    }
    return this.#session
  }
}
