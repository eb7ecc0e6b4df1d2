/** Thrown at start; the message lists everything that is wrong, with what is expected. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** A name that stands in labels, logs and events. */
export const LABEL = /^\P{Cc}{1,253}$/u
