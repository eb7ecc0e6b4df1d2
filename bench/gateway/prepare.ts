/** What must be there before anything is measured. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { ensureNginx } from './nginx.ts'
import { isOurs, type ProxyName } from './proxies.ts'

function run(command: string, args: readonly string[], folder: string): void {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: folder, encoding: 'utf8', timeout: 300_000 })
  if (status !== 0) throw new Error(`in ${folder}: ${command} ${args.join(' ')} failed\n${stdout ?? ''}${stderr ?? ''}`)
}

/** Installs the peers, builds the sidecar, finds nginx: only what `only` needs. Throws with the line to type. */
export function prepare(benchFolder: string, only: readonly ProxyName[]): void {
  if (process.platform !== 'linux') throw new Error('the benchmark reads /proc and pins processes: it needs Linux')
  if (Number(process.versions.node.split('.')[0]) < 24)
    throw new Error('start it with: npm run bench:gateway (Node 24)')
  if (availableParallelism() < 2) throw new Error('the benchmark needs two cores: one for the load, one for the proxy')
  if (spawnSync('taskset', ['--version']).status !== 0)
    throw new Error('the benchmark needs taskset: apt-get install util-linux')
  ensureNginx()
  if (!existsSync(join(benchFolder, 'node_modules/undici'))) {
    process.stderr.write('bench: installing the peers (npm ci in bench/)\n')
    run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], benchFolder)
  }
  if (only.some(isOurs)) run('npm', ['run', 'build:sidecar'], join(benchFolder, '..'))
}
