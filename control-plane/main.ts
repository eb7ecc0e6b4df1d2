/**
 * The composition root: the only place that reads the process's environment and puts the parts together.
 */
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createPriceBook, readRateCard } from '@agentcostcontrol/policy'
import { startAdminServer } from './admin.ts'
import { createAgentService } from './agents/service.ts'
import { createAgentStateService } from './agents/state-service.ts'
import { createApp } from './app.ts'
import { installationRepository } from './auth/repository.ts'
import { type AuthService, createAuthService } from './auth/service.ts'
import { budgetAdditions } from './budgets/additions.ts'
import { type BudgetAlerts, createBudgetAlerts } from './budgets/alerts.ts'
import { startBudgetJobs } from './budgets/jobs.ts'
import { createBudgetService } from './budgets/service.ts'
import { createBudgetStatus } from './budgets/status.ts'
import { createFindUncovered } from './budgets/uncovered.ts'
import { systemClock } from './clock.ts'
import { type ControlPlaneConfig, parseConfig } from './config.ts'
import { findBinaries } from './db/binaries.ts'
import { startCluster } from './db/cluster.ts'
import { connectAsOwner, type Database, isDriversOwn, type OwnerSql, openDatabase } from './db/database.ts'
import { lockFolder } from './db/folder-lock.ts'
import { migrate, readMigrations } from './db/migrate.ts'
import { makePartitions } from './db/partitions.ts'
import { shareWakes } from './db/shared-wakes.ts'
import { createWakes } from './db/wakes.ts'
import { createEndedPeriods } from './ledger/ended.ts'
import { createLedgerOperator } from './ledger/operator.ts'
import { createLedgerService } from './ledger/service.ts'
import { createLogger, errorFields, type Logger } from './log.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { startPublisher } from './policies/publisher.ts'
import { hasEnded, replicaName } from './policies/replica.ts'
import { createPolicyService, type PolicyService } from './policies/service.ts'
import { openSigner } from './policies/signer.ts'
import { createPricingService, type StatedModels } from './pricing/service.ts'
import { createRedisLink } from './redis.ts'
import { createSecurity } from './security/service.ts'
import { type Closer, closeAll, createShutdown } from './shutdown.ts'
import { createChannel } from './sidecars/channel.ts'
import { createBeginCommand, createCommands } from './sidecars/commands.ts'
import { createRegister } from './sidecars/register.ts'
import { createSidecarService } from './sidecars/service.ts'
import { createThreatIntel } from './threat-intel/parts.ts'
import { createIngestService } from './usage/ingest-service.ts'
import { createReadService } from './usage/read-service.ts'
import { createTrailService } from './usage/trail-service.ts'

const MIGRATIONS = fileURLToPath(new URL('../migrations', import.meta.url))
const RATE_CARD = new URL('../seed/rate-card.json', import.meta.url)
const NO_REDIS = { connected: false, failures: 0 }
const PARTITIONS_EVERY_MS = 60 * 60 * 1_000

async function start(config: ControlPlaneConfig, closers: Closer[]): Promise<void> {
  const card = readRateCard(readFileSync(config.rateCardFile ?? RATE_CARD, 'utf8'))
  const log = createLogger(config.logLevel, (line) => process.stdout.write(line))
  process.stdout.on('error', () => {})
  process.on('uncaughtException', (error) => {
    if (isDriversOwn(error)) {
      log.warn('a connection to the database ended while it was used', errorFields(error))
      return
    }
    log.error('an error that nobody expected ends the control plane', errorFields(error))
    process.exit(1)
  })
  const databaseUrl = config.databaseUrl ?? (await embedded(config, log, closers))
  const owner = connectAsOwner(databaseUrl)
  closers.push(['owner', () => owner.end({ timeout: 5 })])
  const migrations = await migrate(owner, readMigrations(MIGRATIONS))
  if (migrations > 0) log.info('the database was migrated', { migrations })
  await makePartitions(owner)
  closers.push(['partitions', keepMakingPartitions(owner, log)])

  const database = openDatabase(databaseUrl, config.connectionsMax)
  closers.push(['database', database.close])
  const metrics = createMetrics()
  const keyFile = config.signingKeyFile ?? join(config.dataDir, 'policy-signing-key.pem')
  const signer = await openSigner({ database, keyFile, formerKeyFiles: config.formerKeyFiles })
  const auth = createAuthService({ database, clock: systemClock, newId: randomUUID, policyKeys: signer.keys })
  await auth.firstStart((adminKey) => {
    if (config.adminKeyFile !== null) writeSecret(config.adminKeyFile, adminKey)
    process.stdout.write(`${JSON.stringify({ message: 'admin key, shown this once', adminKey })}\n`)
  })
  if (config.adminKeyFile !== null) await keepKey(auth, 'admin', config.adminKeyFile)
  if (config.enrolmentTokenFile !== null) await keepKey(auth, 'enrolment', config.enrolmentTokenFile)

  const redis = config.redisUrl === null ? null : createRedisLink({ url: config.redisUrl, log })
  closers.push(['Redis', () => redis?.close()])
  metrics.readRedis(() => redis?.stats() ?? NO_REDIS)
  const ownWakes = createWakes({ url: databaseUrl, log })
  const wakes = redis === null ? ownWakes : shareWakes(ownWakes, redis)
  closers.push(['wakes', wakes.close])
  const alerts = createBudgetAlerts({
    database,
    log,
    onAlert: (orgId, alert) => {
      metrics.alert(alert.kind)
      log.warn('a budget was spent to a mark', { orgId, ...alert })
    },
  })
  closers.push(['alerts of budgets', alerts.idle])
  const ledger = createLedgerService({
    database,
    wakes,
    onBooked: alerts.booked,
    onVerdict: metrics.verdict,
    onEpoch: (orgId, epoch, by) =>
      log.error('the ledger may have lost what it acknowledged: open counters grant nothing until that is ended', {
        orgId,
        epoch,
        by,
      }),
  })
  const policies = createPolicyService({
    database,
    signer,
    wakes,
    additions: budgetAdditions,
    onPublish: async (tx, orgId, budgets, generation) => {
      await ledger.adoptBudgets(tx, orgId, budgets, generation)
      await alerts.adoptBudgets(tx, budgets)
    },
  })
  const statedModels: StatedModels = async (orgId, provider, revision) =>
    (await policies.compiled(orgId, revision))?.provider(provider).models ?? null
  const pricing = await createPricingService({ database, clock: systemClock, card, statedModels })

  const register = createRegister({ database, clock: systemClock, log })
  closers.push(['register of sidecars', register.close])
  const begin = createBeginCommand(wakes)
  const agentStates = createAgentStateService({
    database,
    begin,
    onChange: (orgId, change, { agent, reason, changedBy }) => {
      metrics.security.agentChange(change)
      log.info('an agent was stopped or let go on', { orgId, change, agent, reason, changedBy })
    },
    onFull: (orgId, { agent, reason }) => {
      metrics.security.agentChange('full')
      log.error('an agent is in quarantine at its own sidecar alone: too many agents are stopped already', {
        orgId,
        agent,
        reason,
      })
    },
  })
  const { quarantineFor } = agentStates
  const security = createSecurity({
    database,
    clock: systemClock,
    begin,
    quarantineFor,
    counts: metrics.security,
    log,
  })
  const { suppressions, toolPins } = security
  const commands = createCommands({ database, agents: agentStates, suppressions, toolPins })
  const { recallsSince } = ledger
  const threatIntel = createThreatIntel({
    database,
    wakes,
    clock: systemClock,
    newId: randomUUID,
    allowedHosts: config.threatIntelAllowHosts,
    metrics: metrics.threatIntel,
    log,
  })
  const intel = threatIntel.service
  const channel = createChannel({ policies, recallsSince, commands, intel, wakes, register, log })
  metrics.readPolls(() => channel.polls)

  const read = createReadService({ database })
  const agents = createAgentService({
    database,
    read,
    clock: systemClock,
    silentAfterMs: config.agentSilentAfterMs,
    keepDays: config.agentDays,
    onHeartbeat: metrics.heartbeat,
    onForgotten: (rows) => {
      if (rows instanceof Error) log.error('old tasks could not be deleted', errorFields(rows))
      else log.debug('old tasks were deleted', { rows })
    },
  })
  const app = await createApp({
    redis,
    agents,
    agentStates,
    auth,
    budgets: createBudgetService({ database, policies }),
    budgetStatus: createBudgetStatus({ database, policies }),
    policies,
    pricing,
    ingest: createIngestService({
      database,
      book: ledger.book,
      record: security.events.record,
      findUncovered: createFindUncovered({ policies, prices: createPriceBook(card) }),
      onBatch: metrics.batch,
    }),
    ledger,
    operator: createLedgerOperator({ database }),
    read,
    security,
    channel,
    sidecars: createSidecarService({ database, policies, agents }),
    trails: createTrailService({ database, pricing, statedModels }),
    threatIntel: intel,
    clock: systemClock,
    log,
    metrics,
  })
  const brokenOff = Promise.withResolvers<void>()
  closers.push(['requests', () => Promise.race([app.close(), delay(config.drainTimeoutMs), brokenOff.promise])])
  // Closed before it: a poll that is held would hold up the end.
  closers.push(['polls', channel.close])
  // So would a list that is being fetched.
  closers.push(['threat intelligence', threatIntel.close])
  closers.push(['policy folder', await publishFolder(config, database, policies, metrics, log)])
  closers.push(['sweeps of budgets', await watchBudgets(database, policies, alerts, log)])
  threatIntel.start(await organisationOf(database))
  const check = () => database.inNone((tx) => tx`SELECT 1`)
  const admin = await startAdminServer(config.adminListen, { check, metrics: metrics.text })
  closers.push(['admin port', admin.close])
  const url = await app.listen(config.listen)
  log.info('control plane listens', { url, admin: `${admin.address.address}:${admin.address.port}` })
  const breakOff = (): void => {
    app.server.closeAllConnections()
    brokenOff.resolve()
  }
  const shutdown = createShutdown({ log, closers, breakOff, end: endProcess })
  process.on('SIGTERM', (name) => shutdown.signal(name))
  process.on('SIGINT', (name) => shutdown.signal(name))
  if (!config.parentWatch) return
  process.on('disconnect', () => shutdown.begin('the parent process went away'))
  if (process.connected === false) shutdown.begin('the parent process went away')
}

/** The organisation that the first start made. */
async function organisationOf(database: Database): Promise<string> {
  const orgId = await database.inNone(installationRepository.orgId)
  if (orgId === null) throw new Error('there is no organisation yet')
  return orgId
}

/** @returns what ends it */
async function watchBudgets(
  database: Database,
  policies: PolicyService,
  alerts: BudgetAlerts,
  log: Logger,
): Promise<() => Promise<void>> {
  const orgId = await organisationOf(database)
  // Published by a version that knew of no marks, it is not published again.
  const current = await policies.inForce(orgId)
  if (current !== null) await database.inOrg(orgId, (tx) => alerts.adoptBudgets(tx, current.policy.budgets))
  return startBudgetJobs({ orgId, alerts, ended: createEndedPeriods({ database }), log })
}

/** Policies of the folder are those of the organisation that the first start made. @returns what ends it */
async function publishFolder(
  config: ControlPlaneConfig,
  database: Database,
  policies: PolicyService,
  metrics: Metrics,
  log: Logger,
): Promise<() => Promise<void>> {
  const orgId = await organisationOf(database)
  await policies.resign(orgId)
  const { folders } = await policies.current({ kind: 'admin', orgId, keyId: '' })
  for (const { replica } of folders) if (hasEnded(replica, config.dataDir)) await policies.leave(orgId, replica)
  const publisher = await startPublisher({
    folder: config.policyDir,
    orgId,
    replica: replicaName(config.dataDir),
    policies,
    clock: systemClock,
    log,
    onOutcome: metrics.policy,
  })
  return publisher.close
}

async function embedded(config: ControlPlaneConfig, log: Logger, closers: Closer[]): Promise<string> {
  // Before anything is made: there is none in the image, whose file system may be read-only.
  findBinaries()
  mkdirSync(config.dataDir, { recursive: true })
  const lock = lockFolder(config.dataDir)
  closers.push(['lock', lock.release])
  const cluster = await startCluster({ folder: config.dataDir, port: config.postgresPort, log })
  closers.push(['PostgreSQL', cluster.stop])
  log.info('the embedded PostgreSQL runs', { pid: cluster.pid })
  return cluster.url
}

function keepMakingPartitions(owner: OwnerSql, log: Logger): () => void {
  const timer = setInterval(() => {
    makePartitions(owner).catch((error) => log.error('partitions could not be made', errorFields(error)))
  }, PARTITIONS_EVERY_MS)
  return () => clearInterval(timer)
}

/** A key for this machine: what stands in the file is kept as long as it is good. */
async function keepKey(auth: AuthService, kind: 'admin' | 'enrolment', file: string): Promise<void> {
  const known = existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
  if ((await auth.identify(known))?.kind === kind) return
  writeSecret(file, kind === 'admin' ? await auth.makeAdminKey() : await auth.makeEnrolmentToken())
}

/** Whole or not at all, for its owner alone. */
function writeSecret(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  const unfinished = `${file}.${process.pid}`
  writeFileSync(unfinished, `${text}\n`, { mode: 0o600, flush: true })
  renameSync(unfinished, file)
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref())

/** How long a handle that was left open may keep a process that has closed everything. */
const LINGER_MS = 2_000

function endProcess(exitCode: number): void {
  process.exitCode = exitCode
  if (process.connected) process.disconnect()
  setTimeout(() => process.exit(), LINGER_MS).unref()
}

const closers: Closer[] = []
try {
  if (Number(process.versions.node.split('.')[0]) < 24)
    throw new Error(`Node 24 or newer is needed, this is ${process.version}`)
  await start(parseConfig(process.env), closers)
} catch (error) {
  process.stderr.write(`the control plane cannot start: ${error instanceof Error ? error.message : String(error)}\n`)
  await closeAll(closers, null)
  endProcess(1)
}
