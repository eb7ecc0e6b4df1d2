/** The order of events of one run. */

import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Case, inEveryFormat, isCompared, LARGE_BYTES, plainCases, SMALL_BYTES, streamCases } from './cases.ts'
import { answers, type Child, type Children, freePort } from './children.ts'
import { FORMATS } from './formats.ts'
import { orderFor, runOrder } from './load-client.ts'
import type { LoadResult } from './load-protocol.ts'
import { writeUpstreamConfiguration } from './nginx.ts'
import type { Options } from './options.ts'
import { readRssMb } from './process-usage.ts'
import { type ProxySite, type RunningProxy, startProxy } from './proxies.ts'
import { type Measured, summarise } from './results.ts'

/** Load generator and upstream share one core, the proxy under test has the other. */
const LOAD_CORE = 0
const PROXY_CORE = 1
/** Memory at rest is read this long after the last proxy is up. */
const REST_MS = 1500

/** What a run needs. */
export interface RunContext {
  readonly children: Children
  readonly temporaryFolder: string
  readonly benchFolder: string
  readonly node: string
  readonly options: Options
  /** Told what is being done, a line at a time. */
  readonly say: (line: string) => void
}

/** Runs everything; answers the plain cases first. Throws at the first answer of any proxy that is not whole. */
export async function runAll(context: RunContext): Promise<readonly Measured[]> {
  const { rows, formats } = context.options
  const selected = (cases: readonly Case[]): readonly (readonly Case[])[] =>
    cases
      .filter((one) => !formats || isCompared(one))
      .map((one) => inEveryFormat(one).filter(({ id }) => rows?.test(id) ?? true))
      .filter((group) => group.length > 0)
  const generator = context.children.start({
    name: 'load',
    core: LOAD_CORE,
    command: context.node,
    args: [fileURLToPath(new URL('./load.ts', import.meta.url))],
    messages: true,
  })
  // Streams first: memory is that of a process which has served nothing else.
  const streams = await runPart(context, generator, selected(streamCases(context.options.quick)), startSimulator)
  const plain = await runPart(context, generator, selected(plainCases(context.options.quick)), startNginxUpstream)
  return [...plain, ...streams]
}

type StartUpstream = (context: RunContext) => Promise<{ readonly child: Child; readonly origin: string }>

async function startSimulator(context: RunContext): ReturnType<StartUpstream> {
  const child = context.children.start({
    name: 'simulator',
    core: LOAD_CORE,
    command: context.node,
    args: [join(context.benchFolder, '../simulator/main.ts')],
    env: { SIM_FAST: '1', SIM_LISTEN: `127.0.0.1:${await freePort()}` },
  })
  let origin: string | null = null
  child.firstLine.then((line) => {
    origin = /http:\/\/[^"/]+/.exec(line)?.[0] ?? null
  })
  await context.children.waitUntil(child, () => Promise.resolve(origin !== null))
  if (origin === null) throw new Error('the simulator does not say where it listens')
  return { child, origin }
}

async function startNginxUpstream(context: RunContext): ReturnType<StartUpstream> {
  const port = await freePort()
  const file = writeUpstreamConfiguration(context.temporaryFolder, port)
  const child = context.children.start({ name: 'upstream', core: LOAD_CORE, command: 'nginx', args: ['-c', file] })
  const origin = `http://127.0.0.1:${port}`
  await context.children.waitUntil(child, () => answers(`${origin}/ready`, 204))
  return { child, origin }
}

async function runPart(
  context: RunContext,
  generator: Child,
  groups: readonly (readonly Case[])[],
  startUpstream: StartUpstream,
): Promise<readonly Measured[]> {
  if (groups.length === 0) return []
  const cases = groups.flat()
  const upstream = await startUpstream(context)
  const proxies: RunningProxy[] = []
  const site: ProxySite = { ...context, core: PROXY_CORE, upstream: upstream.origin }
  for (const name of context.options.only) proxies.push(await startProxy(name, site))
  const measured: Measured[] = []
  await delay(REST_MS)
  if (cases.some((one) => one.shape.kind !== 'streams' && one.shape.kind !== 'idle')) {
    for (const proxy of proxies) await warmUp(generator, proxy, cases, context.options.quick)
  }
  for (const group of groups) {
    measured.push(...(await runCases(context, generator, group, proxies)))
  }
  for (const { child } of proxies) if (child !== null) await context.children.stop(child)
  await context.children.stop(upstream.child)
  return measured
}

/** Lets the compilers settle before the first figure is taken: a sidecar gets faster for about ten seconds. */
async function warmUp(generator: Child, proxy: RunningProxy, cases: readonly Case[], quick: boolean): Promise<void> {
  const formats = FORMATS.filter((format) => cases.some((one) => one.format === format && serves(proxy, one)))
  for (const format of formats) {
    for (const [bodyBytes, seconds] of [
      [SMALL_BYTES, quick ? 3 : 8],
      [LARGE_BYTES, quick ? 1 : 3],
    ] as const) {
      const shape = { kind: 'flat' } as const
      await measure(generator, { ...WARM_UP, format, bodyBytes, shape, seconds }, proxy)
    }
  }
}

const WARM_UP = { id: 'warm-up', seen: false, connections: 32, rounds: 1 } as const

/** Other formats than the first are the sidecar's alone: the others here would pass bytes that they do not read. */
const serves = (proxy: RunningProxy, { format }: Case): boolean => format === FORMATS[0] || proxy.name === 'sidecar'

/** Measures cases in turn, round by round. */
async function runCases(
  context: RunContext,
  generator: Child,
  group: readonly Case[],
  proxies: readonly RunningProxy[],
): Promise<readonly Measured[]> {
  const [first] = group
  context.say(group.map(({ id }) => id).join(' '))
  const pairs = group.flatMap((of) =>
    proxies.filter((proxy) => serves(proxy, of)).map((proxy) => ({ of, proxy, results: [] as LoadResult[] })),
  )
  for (let round = 0; round < (first?.rounds ?? 0); round += 1) {
    for (const { of, proxy, results } of pairs) {
      results.push(of.shape.kind === 'idle' ? atRest(proxy) : await measure(generator, of, proxy))
    }
  }
  return pairs.map(({ of, proxy, results }) => summarise(of, proxy.name, results))
}

async function measure(generator: Child, of: Case, proxy: RunningProxy): Promise<LoadResult> {
  try {
    return await runOrder(generator, orderFor(of, proxy))
  } catch (error) {
    const told = error instanceof Error ? error.message : String(error)
    throw new Error(`${proxy.name}, ${of.id}: ${told}\n${proxy.child?.stderrTail() ?? ''}`)
  }
}

function atRest(proxy: RunningProxy): LoadResult {
  const rssMb = readRssMb(proxy.pids)
  return { requests: 0, rps: 0, p50Ms: 0, p99Ms: 0, ttftP50Ms: null, ttftP99Ms: null, cpuUsPerRequest: 0, rssMb }
}
