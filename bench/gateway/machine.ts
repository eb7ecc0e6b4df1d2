/** Where a run took place. */
import { spawnSync } from 'node:child_process'
import { availableParallelism, cpus, release, totalmem } from 'node:os'

/** Said above every table: figures mean nothing without it. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  readonly kernel: string
  readonly node: string
  readonly nginx: string
  /** Short hash, with `+` behind it if the checkout differs from it. */
  readonly commit: string
}

function output(command: string, args: readonly string[], folder: string): string {
  const { stdout, stderr } = spawnSync(command, args, { cwd: folder, encoding: 'utf8' })
  return `${stdout ?? ''}${stderr ?? ''}`.trim()
}

/** Reads all of it. */
export function readMachine(folder: string): Machine {
  const changed = output('git', ['status', '--porcelain', '--untracked-files=no'], folder) !== ''
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release().split('-')[0] ?? '',
    node: process.version,
    nginx: output('nginx', ['-v'], folder).split('/')[1] ?? 'unknown',
    commit: `${output('git', ['rev-parse', '--short', 'HEAD'], folder)}${changed ? '+' : ''}`,
  }
}
