import { addPrompt, PROMPTS_MAX, promptShingles, type ShingleSet } from './prompt-shingles.ts'
import type { SessionState } from './state.ts'
import type { UnreadPrompts } from './unread-prompts.ts'

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
    return this.#unread.length > 0
  }

  prompts(): readonly ShingleSet[] {
    this.#prompts ??= readPrompts(this.#unread)
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

/** The first prompts that differ, as many as a session keeps. */
function readPrompts(unread: UnreadPrompts): readonly ShingleSet[] {
  const prompts: ShingleSet[] = []
  for (const one of unread) {
    if (prompts.length >= PROMPTS_MAX) break
    const prompt = typeof one === 'string' ? promptShingles(one) : one
    if (prompt) addPrompt(prompts, prompt)
  }
  return prompts
}
