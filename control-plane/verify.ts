/**
 * `node control-plane/verify.ts DATA_DIR`: prints, as JSON, whether the sums of the installation's organisation are those
 * of its events: of the database that `DATABASE_URL` names, or of the embedded one in the folder, which is started for as
 * long as that takes if it does not run.
 */

import { installationRepository } from './auth/repository.ts'
import { runningClusterUrl, startCluster } from './db/cluster.ts'
import { openDatabase } from './db/database.ts'
import { lockFolder } from './db/folder-lock.ts'
import { createLogger } from './log.ts'
import { verify } from './usage/verify.ts'

/** Does the work on the folder's own PostgreSQL. */
async function onEmbedded(dataDir: string, work: (url: string) => Promise<void>): Promise<void> {
  const running = runningClusterUrl(dataDir)
  if (running !== null) return work(running)
  const lock = lockFolder(dataDir)
  try {
    const cluster = await startCluster({ folder: dataDir, port: 0, log: createLogger('error', () => {}) })
    await work(cluster.url).finally(cluster.stop)
  } finally {
    lock.release()
  }
}

async function tell(url: string): Promise<void> {
  const database = openDatabase(url, 1)
  try {
    const orgId = await database.inNone(installationRepository.orgId)
    if (orgId === null) throw new Error('there is no organisation yet')
    process.stdout.write(`${JSON.stringify(await verify(database, orgId))}\n`)
  } finally {
    await database.close()
  }
}

try {
  const { DATABASE_URL } = process.env
  if (DATABASE_URL) await tell(DATABASE_URL)
  else await onEmbedded(process.argv[2] ?? '.acc/control-plane', tell)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
