import type { AgentReports } from './agents/reports.ts'
import type { Demotions } from './budget/demotions.ts'
import type { Clock } from './clock.ts'
import type { Channel } from './control/channel.ts'
import type { FollowedCommands } from './control/commands.ts'
import type { Heartbeats } from './control/heartbeats.ts'
import type { LastWord } from './control/last-word.ts'
import type { ToolPinReports } from './control/tool-pin-reports.ts'
import type { Uploader } from './control/uploader.ts'
import type { SpendStore } from './events/spend-store.ts'
import type { Coverage } from './inspect/coverage.ts'
import type { DetectorTime } from './inspect/detector-times.ts'
import type { InspectionStats } from './inspect/inspect-request.ts'
import type { ClosableScanPool } from './inspect/pool.ts'
import type { SegmentScanner } from './inspect/scanner.ts'
import type { SessionInspection } from './inspect/session/session-inspection.ts'
import type { OpenToolPins } from './inspect/tool-pins/open-tool-pins.ts'
import type { Jobs } from './jobs.ts'
import type { Reading } from './metrics.ts'
import type { PolicyStore } from './policy-store.ts'
import type { KeptHeads } from './providers/kept-heads.ts'
import type { RunawayControl } from './runaway/watch.ts'
import type { DataServer } from './server.ts'
import type { IntelFolder } from './threat-intel/folder.ts'
import { receivedReadings } from './threat-intel/readings.ts'
import type { ReceivedIntel } from './threat-intel/received.ts'
import type { FlowStats } from './upstream/forward.ts'
import type { UpstreamPools } from './upstream/pools.ts'

/** The parts whose state is shown. */
export interface ReadingSources {
  readonly data: DataServer
  readonly policies: PolicyStore
  readonly spend: SpendStore
  readonly pools: UpstreamPools
  readonly scanPool: ClosableScanPool
  readonly scanner: SegmentScanner
  readonly heads: Pick<KeptHeads, 'stats'>
  readonly sessions: Pick<SessionInspection, 'stats'>
  readonly inspection: InspectionStats
  readonly flow: FlowStats
  readonly jobs: Jobs
  /** `null` while the sidecar stands alone. */
  readonly uploader: Uploader | null
  readonly channel: Channel | null
  readonly lastWord: LastWord | null
  readonly commands: Pick<FollowedCommands, 'agents' | 'suppressions'>
  /** `null` while the sidecar stands alone. */
  readonly toolPinReports: Pick<ToolPinReports, 'stats'> | null
  readonly toolPins: Pick<OpenToolPins, 'stats'>
  readonly runaway: Pick<RunawayControl, 'stats'>
  readonly demotions: Pick<Demotions, 'list' | 'count'>
  readonly reports: AgentReports
  /** The same. */
  readonly heartbeats: Heartbeats | null
  readonly coverage: Coverage
  /** `null` without lists. */
  readonly intel: Pick<IntelFolder, 'stats'> | null
  /** `null` while the sidecar stands alone. */
  readonly receivedIntel: Pick<ReceivedIntel, 'stats'> | null
  /** Ids of detectors that failed their self-test. */
  readonly dead: readonly string[]
  readonly clock: Clock
}

const gauge = (name: string, help: string, read: () => number): Reading => ({ name, help, kind: 'gauge', read })
const counter = (name: string, help: string, read: () => number): Reading => ({ name, help, kind: 'counter', read })
const NO_UPLOADS = { events: { stored: 0, repeated: 0, refused: 0 } }
const NO_HEARTBEATS = { messages: { taken: 0, refused: 0, failed: 0 } }
const NO_PINS = { reports: { stored: 0, repeated: 0, refused: 0, dropped: 0 }, waiting: 0, failures: 0 }
const NO_INTEL = { entries: 0, writtenMs: null, loads: 0, failures: 0 }
const NO_POLLS = { polls: 0, failures: 0 }
const flag = (value: boolean): number => (value ? 1 : 0)

/** Every queue, cache and store with its bound's metric, read when it is asked for. */
export function createReadings({
  data,
  policies,
  spend,
  pools,
  scanPool,
  scanner,
  heads,
  sessions,
  inspection,
  flow,
  jobs,
  uploader,
  channel,
  lastWord,
  commands: { agents, suppressions },
  toolPinReports,
  toolPins,
  runaway,
  demotions,
  reports,
  heartbeats,
  coverage,
  intel,
  receivedIntel,
  dead,
  clock,
}: ReadingSources): readonly Reading[] {
  const outbox = () => spend.stats().outbox
  const gate = () => spend.stats().gate
  const timed = (name: string, help: string, of: (time: DetectorTime) => number): Reading => ({
    name,
    help: `${help}; of one text in 17`,
    kind: 'series',
    labels: ['detector'],
    read: () => scanner.stats().times.map((time) => ({ labels: [time.detector], value: of(time) })),
  })
  return [
    gauge('acc_requests_in_flight', 'Requests under way', () => data.stats().inFlight),
    gauge('acc_client_connections', 'Connections of clients', () => data.stats().connections),
    counter('acc_refused_connections_total', 'Connections beyond the limit', () => data.stats().refusedConnections),
    gauge('acc_buffered_request_bytes', 'Bytes of request bodies held', () => data.stats().bufferedRequestBytes),
    gauge('acc_buffered_answer_bytes', 'Bytes of answers held', () => data.stats().bufferedAnswerBytes),
    counter(
      'acc_client_errors_total',
      'Connections refused before there was a request',
      () => data.stats().clientErrors,
    ),
    {
      name: 'acc_policy_revision_info',
      help: '1 for the revision in force; no series while there is none',
      kind: 'info',
      label: 'revision',
      read: () => policies.status().revision,
    },
    gauge(
      'acc_threat_intel_entries',
      'Entries of the threat-intelligence index',
      () => (intel?.stats() ?? NO_INTEL).entries,
    ),
    gauge('acc_threat_intel_age_seconds', 'Since the youngest list was written', () => {
      const { writtenMs } = intel?.stats() ?? NO_INTEL
      return writtenMs === null ? 0 : (clock.nowMs() - writtenMs) / 1_000
    }),
    counter('acc_threat_intel_loads_total', 'Indexes that came into force', () => (intel?.stats() ?? NO_INTEL).loads),
    counter(
      'acc_threat_intel_failures_total',
      'Folders of lists not taken',
      () => (intel?.stats() ?? NO_INTEL).failures,
    ),
    ...receivedReadings(receivedIntel, clock),
    gauge('acc_policy_age_seconds', 'Since the policy in force came into force', () => {
      const { sinceMs } = policies.status()
      return sinceMs === null ? 0 : (clock.nowMs() - sinceMs) / 1_000
    }),
    gauge(
      'acc_policy_generation',
      'The control plane’s number of the policy in force; 0 without one',
      () => policies.status().generation,
    ),
    gauge('acc_policy_stale', '1 while the policy is stale and ACC_ON_STALE changes what is done', () =>
      flag(policies.status().staleness !== 'fresh'),
    ),
    counter(
      'acc_policy_unheld_requests_total',
      'Requests that passed without budgets and inspection because the policy was stale',
      () => policies.status().unheld,
    ),
    counter(
      'acc_control_channel_polls_total',
      'Polls of the control plane that were answered',
      () => (channel?.stats() ?? NO_POLLS).polls,
    ),
    counter(
      'acc_control_channel_failures_total',
      'Polls of the control plane without an answer of use',
      () => (channel?.stats() ?? NO_POLLS).failures,
    ),
    gauge(
      'acc_control_channel_silence_seconds',
      'Since the control plane last answered, or since the start if it never did; 0 without one',
      () => (lastWord?.ageMs() ?? 0) / 1_000,
    ),
    gauge('acc_agents_stopped', 'Agents that people stopped', () => agents.stats().told),
    gauge('acc_agents_stopped_here', 'Agents that this sidecar stopped by itself', () => agents.stats().own),
    gauge(
      'acc_agents_quarantined',
      'Agents that the control plane says are in quarantine',
      () => agents.stats().quarantined.told,
    ),
    gauge(
      'acc_agents_quarantined_here',
      'Agents that this sidecar put into quarantine, until a person releases them',
      () => agents.stats().quarantined.own,
    ),
    gauge('acc_suppressions', 'Suppressions in force', () => suppressions.stats().inForce),
    counter('acc_suppressed_findings_total', 'Findings that they let pass', () => suppressions.stats().covered),
    {
      name: 'acc_tool_pin_reports_total',
      help: 'Sights of tools told to the control plane: stored, repeated (known there), refused (never taken), dropped (too many waited)',
      kind: 'series',
      labels: ['result'],
      read: () =>
        Object.entries((toolPinReports?.stats() ?? NO_PINS).reports).map(([result, value]) => ({
          labels: [result],
          value,
        })),
    },
    gauge(
      'acc_tool_pin_waiting_reports',
      'Sights of tools to be told of',
      () => (toolPinReports?.stats() ?? NO_PINS).waiting,
    ),
    counter(
      'acc_tool_pin_failures_total',
      'Messages about tools without an answer',
      () => (toolPinReports?.stats() ?? NO_PINS).failures,
    ),
    gauge('acc_tool_pins', 'Names of tools that are pinned', () => toolPins.stats().tools),
    gauge('acc_tool_pin_leaves', 'Values and pieces of definitions that are kept', () => toolPins.stats().leaves),
    counter(
      'acc_tool_pin_unpinned_total',
      'Names that were not pinned: their agent had too many',
      () => toolPins.stats().unpinned,
    ),
    counter(
      'acc_tool_pin_evicted_agents_total',
      'Agents whose pins went for want of room',
      () => toolPins.stats().evicted,
    ),
    gauge('acc_runaway_sessions', 'Sessions whose requests are compared', () => runaway.stats().sessions),
    gauge('acc_runaway_agents', 'Agents whose spending is compared', () => runaway.stats().agents),
    gauge('acc_runaway_throttled_agents', 'Agents that are slowed down', () => runaway.stats().throttled),
    gauge('acc_policy_loaded', '1 if a policy is in force', () => flag(policies.status().revision !== null)),
    gauge(
      'acc_policy_problems',
      'Mistakes in the policy that should be in force; 0 when it is',
      () => policies.status().problems.length,
    ),
    counter('acc_policy_loads_total', 'Revisions that came into force', () => policies.status().loads),
    counter('acc_policy_refusals_total', 'Revisions that were refused', () => policies.status().refusals),
    gauge('acc_upstream_connections', 'Connections to providers', () => pools.stats().connected),
    gauge('acc_upstream_queued_requests', 'Requests waiting for a connection', () => pools.stats().queued),
    gauge('acc_upstream_paused_answers', 'Answers whose client takes nothing', () => flow.paused),
    gauge('acc_background_jobs', 'Answers made in the background whose usage is not known yet', () => jobs.count),
    gauge('acc_scan_dead_detectors', 'Detectors that failed their self-test at the start', () => dead.length),
    gauge('acc_scan_queue_depth', 'Scans waiting for a worker', () => scanPool.stats().queued),
    gauge('acc_scan_threads', 'Scan workers', () => scanPool.stats().threads),
    {
      name: 'acc_scan_failures_total',
      help: 'Scans that gave nothing: overloaded (the queue was full), timed-out, worker-crashed (it ended, threw, or ran out of memory)',
      kind: 'series',
      labels: ['reason'],
      read: () => Object.entries(scanPool.stats().failures).map(([reason, value]) => ({ labels: [reason], value })),
    },
    counter('acc_scan_inline_texts_total', 'New texts scanned on the main thread', () => scanner.stats().inlineTexts),
    counter('acc_scan_pooled_texts_total', 'New texts scanned in a worker', () => scanner.stats().pooledTexts),
    {
      name: 'acc_scan_segments_total',
      help: 'Texts judged, from the verdict cache or anew',
      kind: 'series',
      labels: ['detector', 'format', 'way', 'source'],
      read: () =>
        coverage.counts().map(({ detector, format, way, source, count }) => ({
          labels: [detector, format, way, source],
          value: count,
        })),
    },
    timed('acc_scan_detector_seconds_total', 'Time that each detector took', ({ seconds }) => seconds),
    timed('acc_scan_detector_characters_total', 'Characters that it looked at', ({ characters }) => characters),
    timed('acc_scan_detector_texts_total', 'Texts that it looked at', ({ texts }) => texts),
    {
      name: 'acc_scan_media_total',
      help: 'Files inside requests that are no text and were passed over; cut: the rest of a text that was too long',
      kind: 'series',
      labels: ['format', 'media'],
      read: () =>
        inspection.media.counts().map(({ format, media, count }) => ({ labels: [format, media], value: count })),
    },
    gauge('acc_sessions', 'Conversations that are kept', () => sessions.stats().sessions),
    gauge('acc_session_values', 'Fingerprints of values that they keep', () => sessions.stats().values),
    counter('acc_sessions_evicted_total', 'Conversations that went for want of room', () => sessions.stats().evicted),
    gauge(
      'acc_session_cached_facts',
      'Facts of system prompts and of definitions that are kept for other conversations',
      () => sessions.stats().cachedFacts,
    ),
    counter('acc_session_read_texts_total', 'Texts that were read for values', () => sessions.stats().readTexts),
    counter(
      'acc_session_sought_units_total',
      'Rows of texts that were looked up in their conversation',
      () => sessions.stats().soughtUnits,
    ),
    counter(
      'acc_session_unread_characters_total',
      'Characters that were not read for values: a request had too many new ones',
      () => sessions.stats().unreadChars,
    ),
    gauge('acc_kept_heads', 'Conversations whose head is kept', () => heads.stats().heads),
    gauge('acc_kept_heads_bytes', 'Bytes of their bodies', () => heads.stats().bytes),
    counter('acc_kept_heads_hits_total', 'Requests of which only the rest was parsed', () => heads.stats().hits),
    gauge('acc_verdict_cache_entries', 'Verdicts kept', () => scanner.stats().cache.entries),
    counter('acc_verdict_cache_hits_total', 'Texts whose verdict was known', () => scanner.stats().cache.hits),
    counter('acc_verdict_cache_misses_total', 'Texts whose verdict was not known', () => scanner.stats().cache.misses),
    counter(
      'acc_uninspected_overload_total',
      'Requests passed uninspected: queue full, policy open',
      () => inspection.unseenOverload,
    ),
    counter(
      'acc_uninspected_timeout_total',
      'Requests passed uninspected: too slow, policy open',
      () => inspection.unseenTimeout,
    ),
    counter(
      'acc_uninspected_unread_total',
      'Requests passed uninspected: no security policy, or an endpoint that is not read',
      () => inspection.unseenNoPolicy,
    ),
    counter(
      'acc_uninspected_answers_total',
      'Answers, or events of streams, passed uninspected: not readable, too large, or the policy is open',
      () => coverage.unseenAnswers,
    ),
    gauge('acc_outbox_writable', '1 while intents can be written down', () => flag(outbox().writable)),
    gauge('acc_outbox_open_intents', 'Attempts sent and not settled', () => outbox().intentsOpen),
    gauge('acc_outbox_queued_events', 'Events not on disk yet', () => outbox().settlementsQueued),
    gauge('acc_outbox_stored_events', 'Events kept one by one', () => outbox().eventsStored),
    gauge(
      'acc_outbox_unacknowledged_events',
      'Events that the control plane has not stored yet',
      () => outbox().unacknowledged,
    ),
    counter(
      'acc_outbox_checkpoint_failures_total',
      'Checkpoints of the outbox that failed',
      () => spend.stats().checkpointFailures,
    ),
    gauge('acc_outbox_size_bytes', 'Size of the outbox', () => outbox().bytes),
    {
      name: 'acc_upload_events_total',
      help: 'Events that were brought up: stored, repeated (known there already), refused (never stored there)',
      kind: 'series',
      labels: ['result'],
      read: () =>
        Object.entries((uploader?.stats() ?? NO_UPLOADS).events).map(([result, value]) => ({
          labels: [result],
          value,
        })),
    },
    counter('acc_agent_heartbeats_total', 'Heartbeats of agents', () => reports.stats().heartbeats),
    counter('acc_agent_tasks_total', 'Reports of tasks', () => reports.stats().tasks),
    counter(
      'acc_agent_refused_tasks_total',
      'Reports of tasks that found too many waiting',
      () => reports.stats().refusedTasks,
    ),
    counter(
      'acc_agent_replaced_total',
      'Agents whose heartbeat gave way to another one’s',
      () => reports.stats().replacedAgents,
    ),
    gauge('acc_agent_waiting_heartbeats', 'Agents to be told of', () => reports.stats().waitingAgents),
    gauge('acc_agent_waiting_tasks', 'Tasks to be told of', () => reports.stats().waitingTasks),
    {
      name: 'acc_heartbeat_messages_total',
      help: 'Messages to the control plane about sidecar and agents: taken, refused (never taken), failed (told again)',
      kind: 'series',
      labels: ['result'],
      read: () =>
        Object.entries((heartbeats?.stats() ?? NO_HEARTBEATS).messages).map(([result, value]) => ({
          labels: [result],
          value,
        })),
    },
    counter('acc_upload_failures_total', 'Batches without an answer', () => uploader?.stats().failures ?? 0),
    counter('acc_outbox_commits_total', 'Group commits', () => outbox().commits),
    counter('acc_outbox_failures_total', 'Group commits that failed', () => outbox().failures),
    counter(
      'acc_outbox_refused_intents_total',
      'Requests refused because nothing could be written down',
      () => outbox().refusedIntents,
    ),
    counter('acc_outbox_rolled_up_events_total', 'Events summed up by day and deleted', () => outbox().prunedEvents),
    counter(
      'acc_outbox_dropped_events_total',
      'Events of refused requests that found the queue full; they hold no money',
      () => outbox().droppedEvents,
    ),
    counter('acc_budget_reservations_total', 'Reservations made', () => gate().reserved),
    counter('acc_budget_exhausted_total', 'Reservations refused: spent', () => gate().exhausted),
    counter('acc_budget_busy_total', 'Reservations refused: held by running requests', () => gate().busy),
    counter('acc_budget_waited_total', 'Requests that waited for a lease', () => gate().waited),
    counter(
      'acc_budget_would_deny_total',
      'Reservations that a budget in audit mode would have refused',
      () => gate().wouldDeny,
    ),
    counter(
      'acc_bound_demotions_total',
      'Classes of requests that were billed above their bound, and go by onUnbounded from then on',
      () => demotions.count,
    ),
    gauge('acc_bound_demoted_classes', 'Classes that do so now', () => demotions.list().length),
    gauge('acc_budget_leases', 'Leases in memory', () => spend.stats().leases),
    counter('acc_budget_syncs_total', 'Messages to the grantor of leases', () => gate().syncs),
    counter('acc_budget_sync_failures_total', 'Messages to the grantor that failed', () => gate().syncFailures),
    gauge(
      'acc_budget_reserved_usd',
      'Reserved for running requests, summed over the budgets',
      () => gate().reservedUsd,
    ),
    gauge('acc_budget_waiting_requests', 'Requests waiting for a lease', () => gate().waiting),
    gauge(
      'acc_unresolved_intents_at_start',
      'Intents that the last process left open',
      () => spend.stats().unresolvedAtStart,
    ),
  ]
}
