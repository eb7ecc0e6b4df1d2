import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** Space that is given up when the disk is full, so that what was sent can still be settled. */
export interface Ballast {
  readonly held: boolean
  release(): void
  /** Takes the space again; false while there is none. */
  acquire(): boolean
}

const BALLAST_BYTES = 8 * 1024 * 1024

/** The ballast of a data folder. */
export function createBallast(dataDir: string): Ballast {
  const file = join(dataDir, 'outbox.ballast')
  let held = false
  return {
    get held() {
      return held
    },
    release: () => {
      rmSync(file, { force: true })
      held = false
    },
    acquire: () => {
      try {
        const handle = openSync(file, 'w')
        try {
          const zeros = Buffer.alloc(1024 * 1024)
          for (let at = 0; at < BALLAST_BYTES; at += zeros.length) {
            if (writeSync(handle, zeros) < zeros.length) throw new Error('no space')
          }
        } finally {
          closeSync(handle)
        }
        held = true
      } catch {
        rmSync(file, { force: true })
        held = false
      }
      return held
    },
  }
}
