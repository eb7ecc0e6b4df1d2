/**
 * `node control-plane/restore.ts DATA_DIR FILE [--replace]`: puts a backup in the place of what the database holds, all of
 * it or nothing, and prints what was restored as JSON. No control plane may run on it.
 */

import { fileURLToPath } from 'node:url'
import { checkBackup, restoreBackup } from './backup/service.ts'
import { runningClusterUrl } from './db/cluster.ts'
import { connectAsTool } from './db/database.ts'
import { readMigrations } from './db/migrate.ts'
import { onDatabase, runTool } from './tool.ts'

const [, , dataDir = '', file = '', flag] = process.argv
const migrations = readMigrations(fileURLToPath(new URL('../migrations', import.meta.url)))

await runTool(async () => {
  // Before anything is made or started: a file that is not whole changes nothing at all.
  await checkBackup(file, migrations)
  if (!process.env.DATABASE_URL && runningClusterUrl(dataDir) !== null)
    throw new Error(`a control plane runs in ${dataDir}: stop it first`)
  await onDatabase(dataDir, async (url) => {
    const owner = connectAsTool(url)
    try {
      const restored = await restoreBackup(owner, { file, migrations, replace: flag === '--replace' })
      process.stdout.write(`${JSON.stringify(restored)}\n`)
    } finally {
      await owner.end({ timeout: 1 })
    }
  })
})
