import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const LEAVE = new URL('../leave.ts', import.meta.url).href

/** How a process ends that leaves with 7. @param execPath where it believes its program to be */
function endOf(execPath: string | null) {
  const moved = execPath === null ? '' : `process.execPath = ${JSON.stringify(execPath)};`
  const script = `import { leave } from ${JSON.stringify(LEAVE)}; ${moved} leave(7)`
  const { status, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script])
  return { status, signal }
}

t.test('a process ends with its exit code, also where its program is gone or may not be run', async (t) => {
  const file = join(t.testdir(), 'node')
  writeFileSync(file, '', { mode: 0o644 })
  for (const execPath of [null, `${file}.gone`, file])
    t.same(endOf(execPath), { status: 7, signal: null }, `${execPath}`)
})
