import { type EventFinding, eventRow, SUBJECT_NONE, type UsageEvent } from '@agentcostcontrol/contract'
import type { AgentStateService } from '../agents/state-service.ts'
import type { Caller } from '../auth/service.ts'
import type { Database, Tx } from '../db/database.ts'
import { ApiError } from '../errors.ts'
import {
  SECURITY_DIMENSIONS,
  type SecurityDimension,
  type SecurityEvent,
  type SecurityFilter,
  type SecurityPosition,
  type SecuritySum,
  type StoredSecurityEvent,
  securityEventRepository,
} from './event-repository.ts'

/** What was found: taken with the usage events, and told. */
export interface SecurityEventService {
  /**
   * Writes down what was found in events that are new, and stops agents for it, in the transaction that stores these:
   * once, and all of it or nothing. Must be the last of that transaction.
   * @returns what it did, to be told when that is committed
   */
  record(tx: Tx, orgId: string, instanceId: string, events: readonly UsageEvent[]): Promise<() => void>
  /** Newest first. @param cursor the `nextCursor` of the page before */
  list(caller: Caller, filter: SecurityFilter, cursor: string | null, limit: number): Promise<SecurityEventPage>
  /** @throws ApiError where there is none */
  find(caller: Caller, id: number): Promise<ShownSecurityEvent>
  summary(caller: Caller, filter: SecurityFilter): Promise<SecuritySummary>
}

/** A security event under its id. */
export interface ShownSecurityEvent extends SecurityEvent {
  readonly id: number
}

/** A page of them. */
export interface SecurityEventPage {
  readonly events: readonly ShownSecurityEvent[]
  readonly nextCursor: string | null
}

/** Sums by each dimension. */
export type SecuritySummary = Readonly<Record<SecurityDimension, readonly SecuritySum[]>>

/** What the service needs. */
export interface SecurityEventServiceOptions {
  readonly database: Database
  readonly quarantineFor: AgentStateService['quarantineFor']
  /** Told of what was found when it is committed. */
  onFound(events: readonly SecurityEvent[]): void
}

/** Lines of each dimension of a summary. */
const LINES_MAX = 100

/** Makes the service. */
export function createSecurityEventService(options: SecurityEventServiceOptions): SecurityEventService {
  const { database, quarantineFor, onFound } = options
  return {
    record: async (tx, orgId, instanceId, events) => {
      const found = events.flatMap((event) => event.findings.flatMap((finding) => securityEvent(event, finding)))
      if (found.length > 0) await securityEventRepository.store(tx, found)
      const stops = events.flatMap(stopsOf)
      const tellStops = stops.length === 0 ? () => {} : await quarantineFor(tx, orgId, instanceId, stops)
      return () => {
        onFound(found)
        tellStops()
      }
    },
    list: async ({ orgId }, filter, cursor, limit) => {
      const after = cursor === null ? null : readCursor(cursor)
      const rows = await database.inOrg(orgId, (tx) => securityEventRepository.list(tx, filter, after, limit + 1))
      const page = rows.slice(0, limit)
      const last = page.at(-1)
      return {
        events: page.map(shown),
        nextCursor: rows.length > limit && last !== undefined ? writeCursor(last) : null,
      }
    },
    find: async ({ orgId }, id) => {
      const row = await database.inOrg(orgId, (tx) => securityEventRepository.find(tx, id))
      if (row === null) throw new ApiError('acc_api_not_found', 'There is no such security event.')
      return shown(row)
    },
    summary: ({ orgId }, filter) =>
      database.inOrg(orgId, async (tx) => {
        const sums = { detector: NONE, severity: NONE, agent: NONE, action: NONE, day: NONE }
        for (const each of SECURITY_DIMENSIONS)
          sums[each] = await securityEventRepository.summary(tx, each, filter, LINES_MAX)
        return sums
      }),
  }
}

const NONE: readonly SecuritySum[] = []

const shown = ({ number, ...event }: StoredSecurityEvent): ShownSecurityEvent => ({ id: number, ...event })

/** A row for a finding; older sidecars told no details of some. */
function securityEvent(event: UsageEvent, finding: EventFinding): readonly SecurityEvent[] {
  const { detail } = finding
  if (detail === undefined) return []
  const { agent, workflow, provider, model } = eventRow(event)
  return [
    {
      eventId: event.eventId,
      at: event.intentAt,
      instanceId: event.instanceId,
      agent: agent === '' ? SUBJECT_NONE : agent,
      workflow,
      session: event.principal.session,
      provider,
      model,
      direction: finding.direction,
      streamed: event.streamed,
      source: detail.source,
      tool: detail.tool,
      detector: finding.detectorId,
      detectorVersion: detail.detectorVersion,
      rule: finding.ruleId,
      category: detail.category,
      severity: finding.severity,
      score: detail.score,
      ...detail.taxonomy,
      action: finding.action,
      mode: finding.mode,
      count: Math.min(finding.count, COUNT_MAX),
      places: detail.places,
      inspectionUs: detail.inspectionUs,
    },
  ]
}

/** Of a column of 32 bits. */
const COUNT_MAX = 2 ** 31 - 1

/** What an event says of stopping its agent: the first finding that does. */
const stopsOf = (event: UsageEvent) =>
  event.findings
    .filter(({ action, mode }) => action === 'quarantine' && mode === 'enforce')
    .slice(0, 1)
    .map(({ detectorId, ruleId }) => ({
      agent: event.principal.agent ?? SUBJECT_NONE,
      reason: `${detectorId}/${ruleId}`,
      eventId: event.eventId,
      atMs: Date.parse(event.intentAt) + event.durationMs,
    }))

const writeCursor = ({ at, number }: SecurityPosition): string => Buffer.from(`${at} ${number}`).toString('base64url')

const CURSOR = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([1-9]\d{0,14})$/

function readCursor(text: string): SecurityPosition {
  const [, at, number] = CURSOR.exec(Buffer.from(text, 'base64url').toString('latin1')) ?? []
  if (at === undefined || number === undefined || Number.isNaN(Date.parse(at)))
    throw new ApiError('acc_api_invalid', 'cursor: it is not one of ours')
  return { at, number: Number(number) }
}
