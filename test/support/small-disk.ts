import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { folderFor, type Scope } from './scope.ts'

/** A file system of its own, as small as is asked for. */
export interface SmallDisk {
  readonly folder: string
  /** Takes all the space that is left, to the last page. */
  fill(): void
  /** Gives that space back. */
  free(): void
}

const PAGE = Buffer.alloc(4_096, 1)

/** Why there can be none on this machine, or `null`. */
export const noSmallDisk: string | null = (() => {
  if (process.getuid?.() !== 0) return 'a disk that is full takes root, who may mount a small one: NOT TESTED here'
  const folder = '/tmp/acc-test-mount-probe'
  mkdirSync(folder, { recursive: true })
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', folder]).status === 0
  if (mounted) spawnSync('umount', [folder])
  rmSync(folder, { recursive: true, force: true })
  return mounted ? null : 'mounting a small disk is not allowed here: a full disk is NOT TESTED'
})()

/** Mounts a disk of so many bytes; it goes with the scope. @param options further mount options */
export function smallDiskFor(scope: Scope, bytes: number, options = ''): SmallDisk {
  const folder = join(folderFor(scope), 'disk')
  mkdirSync(folder)
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}${options}`, 'acc-test', folder], {
    encoding: 'utf8',
  })
  if (mount.status !== 0) throw new Error(mount.stderr)
  // Lazily: a process that was killed may hold it for a moment longer.
  scope.teardown(() => void spawnSync('umount', ['--lazy', folder]))
  const filler = join(folder, 'filler')
  return {
    folder,
    fill: () => {
      const file = openSync(filler, 'a')
      try {
        for (;;) writeSync(file, PAGE)
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
      } finally {
        closeSync(file)
      }
    },
    free: () => rmSync(filler, { force: true }),
  }
}
