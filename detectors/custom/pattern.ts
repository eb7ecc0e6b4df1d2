import { re2 } from './engines.ts'

/** A pattern that is matched in linear time. */
export interface LinearPattern {
  /** Whether it is in a text at all. */
  isIn(text: string): boolean
  /** Tells of its matches that are not empty, ascending, until it is told to stop. */
  each(text: string, onMatch: (start: number, end: number) => boolean): void
}

/** A pattern, or what is wrong with it. */
export type CompiledPattern =
  | { readonly ok: true; readonly pattern: LinearPattern }
  | { readonly ok: false; readonly message: string }

/** Compiles a pattern in RE2's syntax. */
export function compilePattern(source: string, ignoreCase: boolean): CompiledPattern {
  const { RE2JS } = re2()
  try {
    const compiled = RE2JS.compile(source, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0)
    return {
      ok: true,
      pattern: {
        isIn: (text) => compiled.matcher(text).find(),
        each: (text, onMatch) => {
          const matcher = compiled.matcher(text)
          while (matcher.find()) {
            const [start, end] = [matcher.start(), matcher.end()]
            if (end > start && !onMatch(start, end)) return
          }
        },
      },
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return {
      ok: false,
      message: `it is no pattern in RE2's syntax, which has neither look-around nor back references: ${reason}`.slice(
        0,
        500,
      ),
    }
  }
}

/** A text as a pattern for itself. */
export const literalPattern = (text: string): string => re2().RE2JS.quote(text)
