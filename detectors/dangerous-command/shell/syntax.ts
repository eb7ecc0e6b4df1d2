/** What a shell script is made of, as far as it matters here. Offsets are in code units of the script's text. */

/** A word after quotes, escapes and what is known of its expansions are resolved. */
export interface Word {
  readonly text: string
  readonly start: number
  readonly end: number
  /** Command and process substitutions in it. */
  readonly scripts: readonly Script[]
}

/** A redirection; of a here-document or here-string `target` is the text itself. */
export interface Redirect {
  readonly kind: 'in' | 'out' | 'here'
  readonly target: Word
}

/** A simple command. */
export interface Command {
  readonly words: readonly Word[]
  readonly assignments: readonly Word[]
  readonly redirects: readonly Redirect[]
  /** The command whose output it reads, or `null`. */
  readonly pipedFrom: Command | null
  readonly start: number
  readonly end: number
}

/** Commands in the order in which they stand; those of groups, loops and branches among them. */
export type Script = readonly Command[]
