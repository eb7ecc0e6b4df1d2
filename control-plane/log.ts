const LEVELS = ['debug', 'info', 'warn', 'error'] as const

/** From which level on lines are written. */
export type LogLevel = (typeof LEVELS)[number]

/** Values that may be logged: names, codes and figures, never a key and never what an event holds. */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>

/** One JSON object a line, as the sidecar's. */
export type Logger = Readonly<Record<LogLevel, (message: string, fields?: LogFields) => void>>

/** Makes a logger. @param write takes whole lines */
export function createLogger(level: LogLevel, write: (line: string) => void): Logger {
  const from = LEVELS.indexOf(level)
  const at =
    (name: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (LEVELS.indexOf(name) < from) return
      write(`${JSON.stringify({ time: new Date().toISOString(), level: name, message, ...fields })}\n`)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/**
 * What may be logged of an error. PostgreSQL's detail quotes rows and is left out; its message names tables and columns.
 */
export function errorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: typeof error }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : null
  return { error: error.name, code, reason: error.message.slice(0, 500) }
}
