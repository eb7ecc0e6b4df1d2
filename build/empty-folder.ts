import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** Empties the folder of an earlier build of a package. @throws for a folder with anything else in it */
export async function emptyFolder(target: string, name: string): Promise<void> {
  await mkdir(target, { recursive: true })
  const names = await readdir(target)
  if (names.length === 0) return
  const mine = names.includes('package.json') && (await readFile(join(target, 'package.json'), 'utf8')).includes(name)
  if (!mine) throw new Error(`${target} is neither empty nor an earlier build; nothing was done`)
  await Promise.all(names.map((name) => rm(join(target, name), { recursive: true })))
}
