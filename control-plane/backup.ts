/**
 * `node control-plane/backup.ts DATA_DIR FILE`: writes everything that the database holds into a file, as it stands at one
 * moment, and prints what is in it as JSON. It may run while the control plane does.
 */

import { makeBackup } from './backup/service.ts'
import { connectAsTool } from './db/database.ts'
import { onDatabase, runTool } from './tool.ts'

const [, , dataDir = '', file = ''] = process.argv
const calledOff = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => calledOff.abort(new Error(name)))

await runTool(() =>
  onDatabase(dataDir, async (url) => {
    const owner = connectAsTool(url)
    try {
      process.stdout.write(`${JSON.stringify(await makeBackup(owner, file, calledOff.signal))}\n`)
    } finally {
      await owner.end({ timeout: 1 })
    }
  }),
)
