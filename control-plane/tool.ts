/** What the small programs beside the control plane have in common: `verify`, `backup` and `restore`. */

import { mkdirSync } from 'node:fs'
import { runningClusterUrl, startCluster } from './db/cluster.ts'
import { isDriversOwn } from './db/database.ts'
import { lockFolder } from './db/folder-lock.ts'
import { createLogger } from './log.ts'

/** Runs a program to its end: an error is told in one line on stderr, and the exit code is 1. */
export async function runTool(work: () => Promise<void>): Promise<void> {
  process.on('uncaughtException', (error) => {
    if (isDriversOwn(error)) return
    tell(error)
    process.exit(1)
  })
  try {
    await work()
  } catch (error) {
    tell(error)
    process.exitCode = 1
  }
}

const tell = (error: unknown): boolean => process.stderr.write(`${messageOf(error)}\n`)

function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}

/**
 * Work on the database that `DATABASE_URL` names, or on the PostgreSQL of a data folder, which is started for as long as
 * that takes if it does not run.
 */
export async function onDatabase(dataDir: string, work: (url: string) => Promise<void>): Promise<void> {
  const { DATABASE_URL } = process.env
  if (DATABASE_URL) return work(DATABASE_URL)
  return onFolder(dataDir, work)
}

async function onFolder(dataDir: string, work: (url: string) => Promise<void>): Promise<void> {
  const running = runningClusterUrl(dataDir)
  if (running !== null) return work(running)
  mkdirSync(dataDir, { recursive: true })
  const lock = lockFolder(dataDir)
  try {
    const cluster = await startCluster({ folder: dataDir, port: 0, log: createLogger('error', () => {}) })
    await work(cluster.url).finally(cluster.stop)
  } finally {
    lock.release()
  }
}
