/**
 * The composition root: the only place that reads the process's environment and puts the parts together.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PROVIDER_NAMES, type Principal } from '@agentcostcontrol/contract'
import { detectorsFor, selfTest } from '@agentcostcontrol/detectors'
import { type CompiledBudget, createPriceBook, findPrice, readRateCard } from '@agentcostcontrol/policy'
import { startAdminServer } from './admin.ts'
import { createLocalApi } from './agents/local-api.ts'
import { createAgentReports } from './agents/reports.ts'
import { createAuthorize } from './authorize.ts'
import { createCacheMemory } from './budget/cache-memory.ts'
import { openDemotions } from './budget/demotions.ts'
import { createReserve } from './budget/reserve-stage.ts'
import { randomId, systemClock, systemTimers, timedId } from './clock.ts'
import { parseConfig, type SidecarConfig } from './config.ts'
import { ConfigError } from './config-error.ts'
import { createControlPlaneClient } from './control/client.ts'
import { openCommands } from './control/commands.ts'
import { createHeartbeats } from './control/heartbeats.ts'
import { openToolPinReports } from './control/tool-pin-reports.ts'
import { createUploader } from './control/uploader.ts'
import { prepareDataFolder } from './data-folder.ts'
import { openSpendStore } from './events/spend-store.ts'
import { createUsageEvents } from './events/usage-events.ts'
import { createIdentify } from './identify.ts'
import { Coverage } from './inspect/coverage.ts'
import { createEnvironment } from './inspect/environment.ts'
import { createInspectRequest, type InspectionStats } from './inspect/inspect-request.ts'
import { createInspections } from './inspect/inspection.ts'
import { MediaCounts } from './inspect/media-counts.ts'
import { createScanPool } from './inspect/pool.ts'
import { quarantineFor } from './inspect/quarantine.ts'
import { openPlaceholderKey } from './inspect/restore/placeholder-key.ts'
import { createPlaceholders } from './inspect/restore/placeholders.ts'
import { ScanFailures } from './inspect/scan-failure.ts'
import { createDetectorSets, SegmentScanner } from './inspect/scanner.ts'
import { SessionInspection } from './inspect/session/session-inspection.ts'
import { openToolPins } from './inspect/tool-pins/open-tool-pins.ts'
import { createJobs } from './jobs.ts'
import { leave } from './leave.ts'
import { createLogger, unexpectedFields } from './log.ts'
import { createMeter } from './metering/meter.ts'
import { createMetrics } from './metrics.ts'
import { measureOwnFigures } from './own-figures.ts'
import manifest from './package.json' with { type: 'json' }
import { createPipeline } from './pipeline.ts'
import { openPolicies } from './policy-source.ts'
import { createReadPrincipal } from './principal.ts'
import { KEPT_BYTES_MAX, KeptHeads } from './providers/kept-heads.ts'
import { createReadiness, lastWordText } from './readiness.ts'
import { createReadings } from './readings.ts'
import { createPlan } from './routing/plan.ts'
import { createRunawayControl } from './runaway/watch.ts'
import { startDataServer } from './server.ts'
import { createShutdown } from './shutdown.ts'
import { openIntelFolder } from './threat-intel/folder.ts'
import { openReceivedIntel } from './threat-intel/received.ts'
import { Throttle } from './throttle.ts'
import { createForward, type FlowStats } from './upstream/forward.ts'
import { createUpstreamPools } from './upstream/pools.ts'

/** Of an answer that no wire format reads. */
const NO_FORMAT = 'none'
const NO_BUDGETS: readonly CompiledBudget[] = []

/** Where the price list is: beside the shipped JavaScript, or in the checkout. */
const rateCardUrl = (config: SidecarConfig): URL | string =>
  config.rateCardFile ??
  (import.meta.url.endsWith('.ts')
    ? new URL('../seed/rate-card.json', import.meta.url)
    : new URL('./rate-card.json', import.meta.url))

/** Counters of budgets that throttle, whose last requests are remembered. */
const THROTTLED_COUNTERS_MAX = 10_000
/** How long what is on disk may still be brought up at the end; the next start brings up the rest. */
const UPLOAD_DRAIN_MS = 3_000
/** How long what agents told may still be told at the end; what is not is lost. */
const HEARTBEAT_DRAIN_MS = 1_000

/** Closes a part that was opened; a start that fails closes what it had, so that the process ends. */
type Closer = () => Promise<void>

async function start(config: SidecarConfig, closers: Closer[]): Promise<void> {
  const clock = systemClock
  const log = createLogger(config.logLevel, clock, (line) => process.stdout.write(line))
  // Whoever reads the log may go first; that is no reason to leave anything unfinished.
  process.stdout.on('error', () => {})
  process.on('uncaughtException', (error) => {
    log.error('an error that nobody expected ends the sidecar; its intents are resolved at the next start', {
      ...unexpectedFields(error),
    })
    leave(1)
  })
  await prepareDataFolder(config.dataDir)
  const prices = createPriceBook(readRateCard(await readFile(rateCardUrl(config), 'utf8')))
  const { controlPlane } = config
  const fenced = new AbortController()
  // First, since it locks the folder: nothing of it may be touched before.
  const spend = await openSpendStore({
    dataDir: config.dataDir,
    clock,
    newId: randomId,
    random: Math.random,
    budgets: () => policies.inForce()?.budgets ?? NO_BUDGETS,
    eventsMax: config.eventsMax,
    connect: controlPlane && ((instanceId) => createControlPlaneClient({ ...controlPlane, instanceId, clock })),
    isConnected: () => channel?.isConnected ?? true,
    onFenced: () => fenced.abort(),
    onStored: () => uploader?.wake(),
    log,
  })
  const { client } = spend
  closers.push(async () => client?.close())
  closers.push(spend.close)
  const uploader =
    client && createUploader({ source: spend.settled, client, timers: systemTimers, random: Math.random, log })
  closers.push(async () => uploader?.drain(0))
  const toolPinReports =
    client &&
    (await openToolPinReports({
      file: join(config.dataDir, 'tool-pin-reports.json'),
      client,
      timers: systemTimers,
      random: Math.random,
      log,
    }))
  closers.push(async () => toolPinReports?.drain(0))
  const commands = await openCommands({
    dataDir: config.dataDir,
    hasControlPlane: client !== null,
    clock,
    timers: systemTimers,
    log,
  })
  const { agents } = commands
  closers.push(async () => commands.close())
  const receivedIntel =
    client &&
    (await openReceivedIntel({
      file: join(config.dataDir, 'threat-intel.index'),
      client,
      clock,
      timers: systemTimers,
      random: Math.random,
      log,
    }))
  closers.push(async () => receivedIntel?.close())
  const demotions = await openDemotions({
    file: join(config.dataDir, 'demoted-classes.json'),
    version: `${manifest.version}/${prices.version}`,
    clock,
    log,
  })
  closers.push(async () => demotions.close())
  const {
    store: policies,
    channel,
    lastWord,
    close: closePolicies,
  } = await openPolicies({
    source: config.policies,
    dataDir: config.dataDir,
    client,
    commands,
    intel: receivedIntel,
    recall: spend.gate.recall,
    clock,
    timers: systemTimers,
    random: Math.random,
    log,
  })
  closers.push(closePolicies)
  const pools = createUpstreamPools(config.concurrencyMax)
  const scanPool = createScanPool({
    threadsMax: config.scanThreadsMax,
    queueMax: config.scanQueueMax,
    onWorkerError: (error) => log.error('a scan worker failed', unexpectedFields(error)),
  })
  const scanner = new SegmentScanner(scanPool, config.verdictCacheMax)
  const failures = new ScanFailures(log, clock)
  const coverage = new Coverage()
  const sessions = new SessionInspection()
  const toolPins = await openToolPins({
    dataDir: config.dataDir,
    decisions: commands.toolPins,
    reports: toolPinReports,
    clock,
    timers: systemTimers,
    log,
  })
  closers.push(toolPins.close)
  const intel =
    config.threatIntelDir === null
      ? null
      : await openIntelFolder({ folder: config.threatIntelDir, clock, timers: systemTimers, log })
  closers.push(async () => intel?.close())
  const environment = createEnvironment({
    policy: () => policies.inForce(),
    intel: [() => intel?.current() ?? null, () => receivedIntel?.current() ?? null],
  })
  const placeholders = createPlaceholders(await openPlaceholderKey(config.dataDir))
  const inspectionOf = createInspections(createDetectorSets(environment), coverage, commands.suppressions, placeholders)
  const flow: FlowStats = { paused: 0 }
  const inspection: InspectionStats = {
    unseenOverload: 0,
    unseenTimeout: 0,
    unseenNoPolicy: 0,
    media: new MediaCounts(),
  }
  const readPrincipal = createReadPrincipal(config)
  const heads = new KeptHeads(KEPT_BYTES_MAX)
  const events = createUsageEvents({ instanceId: spend.instanceId, prices, clock, readPrincipal })
  const dead = detectorsFor(environment())
    .filter((detector) => !selfTest(detector))
    .map(({ id }) => id)
  if (dead.length > 0) log.error('detectors do not find what they must: the sidecar is not ready', { dead })

  const jobs = createJobs(systemTimers)
  const cache = createCacheMemory(clock)
  const onInternalError = (error: unknown): void => log.error('internal error', unexpectedFields(error))
  // Of what is spent: nothing is held to it here, so a policy that is too old is as good.
  const securityFor = (principal: Principal) => policies.inForce()?.securityFor(principal, null) ?? null
  const runaway = createRunawayControl({ securityFor, agents, clock })
  const pipeline = createPipeline({
    identify: createIdentify(readPrincipal, heads),
    authorize: createAuthorize({
      current: () => policies.current(),
      isStale: () => policies.status().staleness === 'closed',
      agents,
    }),
    watch: runaway.watch,
    inspectRequest: createInspectRequest(scanner, inspectionOf, sessions, toolPins.pins, inspection, failures, clock),
    plan: createPlan(prices, config.upstreams),
    reserve: createReserve({
      gate: spend.gate,
      outbox: spend.outbox,
      prices,
      events,
      clock,
      cache,
      throttle: new Throttle(THROTTLED_COUNTERS_MAX),
      demotions,
    }),
    forward: createForward({
      pools,
      clock,
      flow,
      inspection: ({ planned }) => {
        const { security, identified } = planned.inspected.authorized
        if (security === null) return null
        const { principal, ask } = identified
        const format = (ask.kind === 'metered' ? ask : ask.again)?.adapter.operation ?? NO_FORMAT
        return {
          ...inspectionOf(security, principal.agent, format),
          scanner,
          failures,
          coverage,
          clock,
          turn: planned.inspected.turn,
          redacted: planned.inspected.redacted ?? null,
        }
      },
    }),
    meter: createMeter(prices),
    jobs,
    demotions,
    outbox: spend.outbox,
    events,
    policyRevision: () => (policies.current() ?? policies.inForce())?.revision ?? '',
    observe: (event, addedMs) => {
      cache.note(event)
      metrics.observe(event, addedMs)
      runaway.spent(event)
      quarantineFor(event, agents)
      if (event.code !== null) {
        log.info('exchange ended early', {
          eventId: event.eventId,
          outcome: event.outcome,
          code: event.code,
          agent: event.principal.agent,
          operation: event.operation,
        })
      }
    },
    onInternalError,
  })
  const reports = createAgentReports({ clock, keep: client !== null })
  const local = createLocalApi({ reports, readPrincipal, trustHeaders: config.trustHeaders, clock })
  const data = await startDataServer(config.listen, {
    config,
    pipeline,
    local,
    clock,
    newId: timedId,
    onInternalError,
  })
  closers.push(() => data.drain(0))
  const ownFigures = measureOwnFigures(clock)
  const figures = () => ({
    ...ownFigures(),
    unsentEvents: spend.stats().outbox.unacknowledged,
    queuedScans: scanPool.stats().queued,
    leaseWaits: spend.stats().gate.waiting,
    requestsInFlight: data.stats().inFlight,
  })
  const telling = { reports, figures, bootId: randomId(), timers: systemTimers, random: Math.random, log }
  const heartbeats = client && createHeartbeats({ ...telling, client })
  closers.push(async () => heartbeats?.drain(0))
  const knownModel = (name: string, model: string): string => {
    const provider = PROVIDER_NAMES.find((known) => known === name)
    const configured = provider && policies.inForce()?.provider(provider)
    return (configured && findPrice(prices, configured, model, clock.nowMs())?.price.model) ?? 'other'
  }
  const metrics = createMetrics(
    createReadings({
      data,
      policies,
      spend,
      pools,
      scanPool,
      scanner,
      heads,
      sessions,
      inspection,
      coverage,
      intel,
      receivedIntel,
      dead,
      flow,
      jobs,
      uploader,
      channel,
      lastWord,
      commands,
      toolPinReports,
      toolPins,
      runaway,
      demotions,
      reports,
      heartbeats,
      clock,
    }),
    knownModel,
  )
  const admin = await startAdminServer(config.adminListen, {
    readiness: createReadiness({
      policy: () => policies.status(),
      controlPlane: () => lastWord && lastWordText(lastWord),
      intel: () => ({ folder: intel?.stats() ?? null, received: receivedIntel?.stats() ?? null }),
      outboxWritable: () => spend.stats().outbox.writable,
      demotions,
      stopping: () => shutdown.begun,
      dead,
    }),
    metrics: metrics.text,
  })
  const shutdown = createShutdown({
    log,
    inFlight: () => data.stats().inFlight,
    drain: () => data.drain(config.drainTimeoutMs, () => void pools.close()),
    breakOff: () => {
      data.breakOff()
      void pools.close()
    },
    closers: [
      ['policies', closePolicies],
      ['commands', commands.close],
      ['demotions', demotions.close],
      ['jobs', jobs.endAll],
      ['threat intelligence', () => intel?.close()],
      ['threat intelligence of the control plane', () => receivedIntel?.close()],
      ['heartbeats', () => heartbeats?.drain(HEARTBEAT_DRAIN_MS)],
      ['uploads', () => uploader?.drain(UPLOAD_DRAIN_MS)],
      ['pins of tools', toolPins.close],
      ['reports of tools', () => toolPinReports?.drain(HEARTBEAT_DRAIN_MS)],
      // It returns what is free of its leases.
      ['outbox', spend.close],
      ['control plane', () => client?.close()],
      ['scan workers', scanPool.close],
      ['connections', pools.close],
      ['admin port', admin.close],
    ],
    end: endProcess,
  })
  log.info('sidecar listens', {
    data: `${data.address.address}:${data.address.port}`,
    admin: `${admin.address.address}:${admin.address.port}`,
    prices: prices.version,
  })

  // What runs may end on the leases that it has; the next process begins with new ones.
  const endFenced = (): void => shutdown.begin('the ledger knows another holder under this name')
  if (fenced.signal.aborted) endFenced()
  else fenced.signal.addEventListener('abort', endFenced)
  process.on('SIGTERM', (name) => shutdown.signal(name))
  process.on('SIGINT', (name) => shutdown.signal(name))
  if (config.parentWatch) {
    process.on('disconnect', () => shutdown.begin('the parent process went away'))
    // It may have gone while the sidecar started.
    if (process.connected === false) shutdown.begin('the parent process went away')
  }
}

/** How long a handle that was left open, or a scan that never ends, may keep a process that has closed everything. */
const LINGER_MS = 2_000

function endProcess(exitCode: number): void {
  process.exitCode = exitCode
  if (process.connected) process.disconnect()
  setTimeout(() => leave(exitCode), LINGER_MS).unref()
}

const closers: Closer[] = []
try {
  if (Number(process.versions.node.split('.')[0]) < 24)
    throw new ConfigError(`Node 24 or newer is needed, this is ${process.version}`)
  await start(parseConfig(process.env), closers)
} catch (error) {
  const { message } = error instanceof Error ? error : new Error(String(error))
  process.stderr.write(`the sidecar cannot start: ${message}\n`)
  for (const close of closers.reverse()) await close().catch(() => {})
  endProcess(1)
}
