import { readFile, rename, rm } from 'node:fs/promises'
import type { Timers } from '../clock.ts'
import { errorFields, type Logger } from '../log.ts'
import type { AgentStates } from './agent-states.ts'

/** Watches for what an operator lets go at this sidecar: a file of names, which no agent can write. */
export interface LocalReleases {
  close(): void
}

/** What is needed to watch. */
export interface LocalReleasesOptions {
  /** One name of an agent a line, behind a tab perhaps the reason; `acc release` writes it. It goes when it was followed. */
  readonly file: string
  readonly agents: Pick<AgentStates, 'stats' | 'releaseHere'>
  readonly timers: Timers
  readonly log: Logger
}

const isDone = (): boolean => true
const isNot = (): boolean => false

/** How often it is looked for, while there is an agent to release. */
export const RELEASES_EVERY_MS = 500

/** Begins to watch. */
export function watchReleases({ file, agents, timers, log }: LocalReleasesOptions): LocalReleases {
  let callOff = (): void => {}
  let closed = false

  async function look(): Promise<void> {
    if (agents.stats().quarantined.own === 0) return
    const taken = `${file}.taken`
    // What the last process took and was killed over is followed first, and then what has come since.
    const left = await readFile(taken, 'utf8').catch(() => null)
    // Moved first: what is written behind the reading is looked at the next time.
    const isThere = left !== null || (await rename(file, taken).then(isDone, isNot))
    if (!isThere) return
    for (const line of (left ?? (await readFile(taken, 'utf8'))).split('\n')) {
      const [agent = '', reason = ''] = line.trimEnd().split('\t')
      if ((await agents.releaseHere([agent])).length > 0)
        log.warn('an agent was released from quarantine at this sidecar', { agent, reason })
    }
    await rm(taken, { force: true })
  }

  function next(): void {
    if (closed) return
    callOff = timers.after(RELEASES_EVERY_MS, () => {
      look()
        .catch((error) => log.error('what an operator released could not be read', errorFields(error)))
        .finally(next)
    })
  }

  next()
  return {
    close: () => {
      closed = true
      callOff()
    },
  }
}
