/** The proxies of the table: how each is started, when it is ready, and how a request is addressed to it. */
import { copyFileSync, mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { answers, type Child, type Children, freePort } from './children.ts'
import { writeProxyConfiguration } from './nginx.ts'
import { processTree } from './process-usage.ts'

/** All proxies, in the order of the table. `balanced` is the sidecar with all detectors, as the starter policy has them. */
export const PROXY_NAMES = ['direct', 'nginx', 'node', 'portkey', 'sidecar', 'balanced'] as const
/** One of {@link PROXY_NAMES}; `direct` is no proxy: the load goes to the upstream itself. */
export type ProxyName = (typeof PROXY_NAMES)[number]

/** Whether it is a sidecar. */
export const isOurs = (name: ProxyName): boolean => name === 'sidecar' || name === 'balanced'

/** A proxy that takes requests. */
export interface RunningProxy {
  readonly name: ProxyName
  readonly port: number
  /** Whether its paths begin with the name of the provider. */
  readonly namesFormats: boolean
  readonly headers: Readonly<Record<string, string>>
  /** Processes whose CPU time and memory are the proxy's; none for `direct`. */
  readonly pids: readonly number[]
  readonly child: Child | null
}

/** Where the proxies are started. */
export interface ProxySite {
  readonly children: Children
  /** A folder that is removed afterwards. */
  readonly temporaryFolder: string
  /** Folder of the benchmark, with its `node_modules`. */
  readonly benchFolder: string
  /** Node 24. */
  readonly node: string
  readonly core: number
  /** Origin of the provider, e.g. `http://127.0.0.1:4100`. */
  readonly upstream: string
}

/** What every started proxy has besides its process. */
type Launch = (site: ProxySite, port: number) => Promise<{ child: Child; headers: Record<string, string> }>

async function launchNginx(site: ProxySite, port: number): ReturnType<Launch> {
  const file = writeProxyConfiguration(site.temporaryFolder, port, site.upstream)
  const child = site.children.start({ name: 'nginx', core: site.core, command: 'nginx', args: ['-c', file] })
  await site.children.waitUntil(child, () => answers(`http://127.0.0.1:${port}/ready`, 204))
  return { child, headers: {} }
}

async function launchNode(site: ProxySite, port: number): ReturnType<Launch> {
  const env = { BENCH_LISTEN: `127.0.0.1:${port}`, BENCH_UPSTREAM: site.upstream }
  const args = [fileURLToPath(new URL('../proxies/node.ts', import.meta.url))]
  const child = site.children.start({ name: 'node', core: site.core, command: site.node, args, env })
  await site.children.waitUntil(child, () => answers(`http://127.0.0.1:${port}/ready`))
  return { child, headers: {} }
}

async function launchPortkey(site: ProxySite, port: number): ReturnType<Launch> {
  const script = join(site.benchFolder, 'node_modules/@portkey-ai/gateway/build/start-server.js')
  const args = [script, `--port=${port}`, '--headless']
  const env = { NODE_ENV: 'production' }
  const child = site.children.start({ name: 'portkey', core: site.core, command: site.node, args, env })
  await site.children.waitUntil(child, () => answers(`http://127.0.0.1:${port}/`))
  const headers = {
    'x-portkey-provider': 'openai',
    'x-portkey-custom-host': `${site.upstream}/v1`,
    'x-portkey-forward-headers': 'x-sim-chunks,x-sim-chunk-delay-ms',
  }
  return { child, headers }
}

async function launchSidecar(
  site: ProxySite,
  port: number,
  policyDir = join(site.benchFolder, 'policy'),
): ReturnType<Launch> {
  const adminPort = await freePort()
  // The JavaScript that is shipped, not the checkout's TypeScript, with the words and settings of the image.
  const dockerfile = readFileSync(join(site.benchFolder, '../sidecar/Dockerfile'), 'utf8')
  const [, ...words]: readonly string[] = JSON.parse(/^CMD (.*)$/m.exec(dockerfile)?.[1] ?? '[]')
  const env = {
    ...Object.fromEntries([...dockerfile.matchAll(/(MALLOC_\w+)=(\S+)/g)].map(([, name, value]) => [name, value])),
    NODE_ENV: 'production',
    ACC_LISTEN: `127.0.0.1:${port}`,
    ACC_ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
    ACC_DATA_DIR: mkdtempSync(join(site.temporaryFolder, 'sidecar-')),
    ACC_POLICY_DIR: policyDir,
    ACC_UPSTREAM_OPENAI: `${site.upstream}/v1`,
    ACC_UPSTREAM_ANTHROPIC: `${site.upstream}/v1`,
    ACC_UPSTREAM_GOOGLE: site.upstream,
    ACC_AGENT: 'bench',
  }
  const args = [...words.slice(0, -1), join(site.benchFolder, '../sidecar/dist/main.js')]
  const child = site.children.start({ name: 'sidecar', core: site.core, command: site.node, args, env })
  await site.children.waitUntil(child, () => answers(`http://127.0.0.1:${adminPort}/readyz`, 200))
  return { child, headers: {} }
}

function launchBalanced(site: ProxySite, port: number): ReturnType<Launch> {
  const policyDir = mkdtempSync(join(site.temporaryFolder, 'balanced-'))
  copyFileSync(join(site.benchFolder, 'policy/budgets.yaml'), join(policyDir, 'budgets.yaml'))
  copyFileSync(join(site.benchFolder, '../policies/starter/security-balanced.yaml'), join(policyDir, 'security.yaml'))
  return launchSidecar(site, port, policyDir)
}

const LAUNCHES: Readonly<Record<Exclude<ProxyName, 'direct'>, Launch>> = {
  nginx: launchNginx,
  node: launchNode,
  portkey: launchPortkey,
  sidecar: launchSidecar,
  balanced: launchBalanced,
}

/** Starts a proxy and waits until it is ready. */
export async function startProxy(name: ProxyName, site: ProxySite): Promise<RunningProxy> {
  if (name === 'direct') {
    const port = Number(new URL(site.upstream).port)
    return { name, port, namesFormats: false, headers: {}, pids: [], child: null }
  }
  const port = await freePort()
  const { child, headers } = await LAUNCHES[name](site, port)
  return { name, port, namesFormats: isOurs(name), headers, pids: processTree(child.pid), child }
}
