import {
  BUDGET_ALERT_KINDS,
  type BudgetAlertKind,
  type EventBatchAnswer,
  type GrantVerdict,
  type SidecarHeartbeat,
} from '@agentcostcontrol/contract'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { createSecurityMetrics, type SecurityMetrics } from './security/metrics.ts'
import { createThreatIntelMetrics, type ThreatIntelMetrics } from './threat-intel/metrics.ts'

/** The metrics of a control plane. */
export interface Metrics {
  /** Counts a request of the API. @param route its pattern, never its path */
  observe(route: string, status: number, elapsedMs: number): void
  /** Counts a batch of events that was stored. */
  batch(answer: EventBatchAnswer): void
  /** Where it is read how Redis does. */
  readRedis(read: () => { readonly connected: boolean; readonly failures: number }): void
  /** Where the number of polls that are held is read. */
  readPolls(read: () => number): void
  /** Counts a message of a sidecar that was stored. */
  heartbeat(heartbeat: SidecarHeartbeat): void
  /** Counts an answer of the ledger to a holder that asked for money. */
  verdict(verdict: GrantVerdict): void
  /** Counts an alert of a budget that was told. */
  alert(kind: BudgetAlertKind): void
  /** Counts what is found, and what is done about it. */
  readonly security: SecurityMetrics
  /** Shows how the lists of threat intelligence are. */
  readonly threatIntel: ThreatIntelMetrics
  /** Tells what came of a policy folder, and the generation in force. @param result `null` for nothing new */
  policy(result: PolicyResult | null, generation: number): void
  /** The Prometheus text format. */
  text(): Promise<string>
}

const POLICY_RESULTS = ['published', 'refused', 'behind'] as const
/** What came of a policy folder. */
export type PolicyResult = (typeof POLICY_RESULTS)[number]

const SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Makes the metrics. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const requests = new Histogram({
    name: 'acc_api_request_duration_seconds',
    help: 'Requests of the API by route and status.',
    labelNames: ['route', 'status'],
    buckets: SECONDS,
    registers,
  })
  const events = new Counter({
    name: 'acc_ingest_events_total',
    help: 'Events that sidecars brought up: stored, repeated (known already), refused (will never be stored).',
    labelNames: ['result'],
    registers,
  })
  const heartbeats = new Counter({
    name: 'acc_sidecar_heartbeats_total',
    help: 'Messages of sidecars about themselves and their agents.',
    registers,
  })
  const tasks = new Counter({
    name: 'acc_sidecar_tasks_total',
    help: 'Reports of tasks in them.',
    registers,
  })
  const verdicts = new Counter({
    name: 'acc_ledger_verdicts_total',
    help: 'Answers to holders that asked for money: granted, pending (it may come back), exhausted.',
    labelNames: ['verdict'],
    registers,
  })
  for (const verdict of ['granted', 'pending', 'exhausted']) verdicts.inc({ verdict }, 0)
  const alerts = new Counter({
    name: 'acc_budget_alerts_total',
    help: 'Marks that budgets were spent to: threshold, warning, critical; once a subject and period, at whichever replica.',
    labelNames: ['kind'],
    registers,
  })
  for (const kind of BUDGET_ALERT_KINDS) alerts.inc({ kind }, 0)
  for (const result of ['stored', 'repeated', 'refused']) events.inc({ result }, 0)
  const revisions = new Counter({
    name: 'acc_policy_revisions_total',
    help: 'Revisions of policy: published, refused (not valid), behind (another replica holds a newer one).',
    labelNames: ['result'],
    registers,
  })
  for (const result of POLICY_RESULTS) revisions.inc({ result }, 0)
  const generations = new Gauge({
    name: 'acc_policy_generation',
    help: 'Generation of the policy in force; 0 for none.',
    registers,
  })
  let polls = (): number => 0
  new Gauge({
    name: 'acc_channel_polls',
    help: 'Polls of sidecars that are held.',
    registers,
    collect() {
      this.set(polls())
    },
  })
  let redis = () => ({ connected: false, failures: 0 })
  new Gauge({
    name: 'acc_redis_connected',
    help: '1 while Redis answers; 0 without one.',
    registers,
    collect() {
      this.set(redis().connected ? 1 : 0)
    },
  })
  new Counter({
    name: 'acc_redis_failures_total',
    help: 'What was asked of Redis and not answered in time.',
    registers,
    collect() {
      this.reset()
      this.inc(redis().failures)
    },
  })
  return {
    readRedis: (read) => {
      redis = read
    },
    observe: (route, status, elapsedMs) => requests.observe({ route, status }, elapsedMs / 1_000),
    batch: ({ stored, repeated, refused }) => {
      events.inc({ result: 'stored' }, stored)
      events.inc({ result: 'repeated' }, repeated)
      events.inc({ result: 'refused' }, refused.length)
    },
    readPolls: (read) => {
      polls = read
    },
    heartbeat: (heartbeat) => {
      heartbeats.inc()
      tasks.inc(heartbeat.tasks.length)
    },
    alert: (kind) => alerts.inc({ kind }),
    verdict: (verdict) => verdicts.inc({ verdict }),
    security: createSecurityMetrics(registry),
    threatIntel: createThreatIntelMetrics(registry),
    policy: (result, generation) => {
      if (result !== null) revisions.inc({ result })
      generations.set(generation)
    },
    text: () => registry.metrics(),
  }
}
