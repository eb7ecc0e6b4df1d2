import type { Clock } from './clock.ts'

/** Levels, ascending. */
const LEVELS = ['debug', 'info', 'warn', 'error'] as const
/** One of the levels. */
export type LogLevel = (typeof LEVELS)[number]

/** Values that may be logged: names, codes and figures, never text of a prompt or an answer. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | readonly string[]>>

/** One JSON object a line. */
export type Logger = Readonly<Record<LogLevel, (message: string, fields?: LogFields) => void>>

/** Makes a logger. @param write takes whole lines */
export function createLogger(level: LogLevel, clock: Clock, write: (line: string) => void): Logger {
  const from = LEVELS.indexOf(level)
  const at =
    (name: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (LEVELS.indexOf(name) < from) return
      write(`${JSON.stringify({ time: new Date(clock.nowMs()).toISOString(), level: name, message, ...fields })}\n`)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** What may be logged of an error of the sidecar's own doing: its name, code and message, and its cause's. */
export function errorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: String(error) }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : null
  return {
    error: error.name,
    code,
    reason: error.message,
    cause: error.cause instanceof Error ? error.cause.message : null,
  }
}

/** A stack frame: function, file, line. */
const FRAME = /^\s+at .+$/
const FRAMES_MAX = 8

/**
 * What may be logged of an error that nobody expected while a request was handled. Its message may quote that request,
 * as those of JSON.parse do: it is left out, and where it happened is told instead.
 */
export function unexpectedFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: typeof error }
  const { stack = '', message } = error
  const below = stack.slice(stack.indexOf(message) + message.length)
  const frames = below.split('\n').filter((line) => FRAME.test(line))
  return {
    error: error.name,
    code: 'code' in error && typeof error.code === 'string' ? error.code : null,
    at: frames.slice(0, FRAMES_MAX).map((line) => line.trim()),
  }
}
