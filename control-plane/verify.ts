/**
 * `node control-plane/verify.ts DATA_DIR`: prints, as JSON, whether the sums of the installation's organisation are those
 * of its events: of the database that `DATABASE_URL` names, or of the embedded one in the folder, which is started for as
 * long as that takes if it does not run.
 */

import { installationRepository } from './auth/repository.ts'
import { openDatabase } from './db/database.ts'
import { onDatabase, runTool } from './tool.ts'
import { verify } from './usage/verify.ts'

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

await runTool(() => onDatabase(process.argv[2] ?? '.acc/control-plane', tell))
