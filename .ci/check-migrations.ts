/** Runs every migration from zero on an empty database, by two replicas at once, and once more when nothing is left to do. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCluster } from '../control-plane/db/cluster.ts'
import { connectAsOwner } from '../control-plane/db/database.ts'
import { migrate, readMigrations } from '../control-plane/db/migrate.ts'
import { createLogger } from '../control-plane/log.ts'

const folder = mkdtempSync(join(tmpdir(), 'acc-migrations-'))
try {
  const log = createLogger('error', (line) => process.stderr.write(line))
  const cluster = await startCluster({ folder, port: 0, settings: ['fsync=off'], log })
  const owners = [connectAsOwner(cluster.url), connectAsOwner(cluster.url)]
  try {
    const migrations = readMigrations('migrations')
    const applied = await Promise.all(owners.map((owner) => migrate(owner, migrations)))
    const sum = applied.reduce((total, count) => total + count)
    if (sum !== migrations.length) throw new Error(`${sum} of ${migrations.length} migrations were applied`)
    for (const owner of owners)
      if ((await migrate(owner, migrations)) > 0) throw new Error('a migration was applied twice')
    process.stdout.write(`${migrations.length} from zero, by two at once\n`)
  } finally {
    await Promise.all(owners.map((owner) => owner.end({ timeout: 1 })))
    await cluster.stop()
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
