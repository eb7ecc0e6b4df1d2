import type { Logger } from '../../log.ts'

const nothing = (): void => {}

/** A log that nobody reads. */
export const silentLog: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }
