/** A scan worker that cannot start. */
throw new Error('no start')
