import { type EventBatchAnswer, type UsageEvent, usageEventSchema } from '@agentcostcontrol/contract'
import type { SidecarCaller } from '../auth/service.ts'
import type { FindUncovered } from '../budgets/uncovered.ts'
import type { Database } from '../db/database.ts'
import type { LedgerService } from '../ledger/service.ts'
import type { SecurityEventService } from '../security/event-service.ts'
import { copyLine } from './event-columns.ts'
import { ingestRepository } from './ingest-repository.ts'

/** An event of a batch, before anybody looked at it. */
interface Sent {
  readonly seq: number
  readonly event?: unknown
}

/** Takes batches of events. */
export interface IngestService {
  /**
   * Stores a batch: each good event once, and each bad one refused by name. Resolves when all of it is committed, and
   * rejects if none is.
   */
  ingest(caller: SidecarCaller, events: readonly Sent[]): Promise<EventBatchAnswer>
}

/** What the service needs. */
export interface IngestServiceOptions {
  readonly database: Database
  /** Books what new events are charged, in the transaction that stores them. */
  readonly book: LedgerService['book']
  /** Writes down what was found in new events, last in the transaction that stores them; told when that is committed. */
  readonly record: SecurityEventService['record']
  /** What they spent of budgets that their sidecar did not know of yet; left out where no policy is published. */
  readonly findUncovered?: FindUncovered
  /** Told of each batch that is stored. */
  onBatch(answer: EventBatchAnswer): void
}

/** Makes the service. */
export function createIngestService(options: IngestServiceOptions): IngestService {
  const { database, book, findUncovered, record, onBatch } = options
  return {
    ingest: async ({ orgId, instanceId }, sent) => {
      const events = new Map<string, UsageEvent>()
      const refused: EventBatchAnswer['refused'] = []
      let storedThrough = 1
      let good = 0
      for (const { seq, event } of sent) {
        storedThrough = Math.max(storedThrough, seq)
        const checked = check(event, instanceId)
        if (typeof checked === 'string') refused.push({ seq, reason: checked })
        else {
          good++
          events.set(eventKey(checked.eventId, Date.parse(checked.intentAt)), checked)
        }
      }
      const { stored, tell } =
        events.size === 0
          ? NOTHING
          : await database.inOrg(orgId, async (tx) => {
              const keys = await ingestRepository.store(tx, Array.from(events.values(), copyLine))
              const added = keys.flatMap(({ eventId, intentMs }) => events.get(eventKey(eventId, intentMs)) ?? [])
              if (added.length === 0) return NOTHING
              const charges = added.flatMap((event) => event.charges)
              await book(tx, instanceId, charges, await findUncovered?.(tx, orgId, added))
              const found = added.filter(({ findings }) => findings.length > 0)
              const tell = found.length === 0 ? NOTHING.tell : await record(tx, orgId, instanceId, found)
              return { stored: keys.length, tell }
            })
      tell()
      const answer = { storedThrough, stored, repeated: good - stored, refused }
      onBatch(answer)
      return answer
    },
  }
}

const NOTHING = { stored: 0, tell: () => {} }

const eventKey = (eventId: string, intentMs: number): string => `${eventId}/${intentMs}`

/**
 * The event, or why it will never be stored. The reason names members and never quotes them. Its time is no reason: what
 * was spent was spent, however wrong the clock of who says so.
 */
function check(sent: unknown, instanceId: string): UsageEvent | string {
  const { data: event, error } = usageEventSchema.safeParse(sent)
  if (error) {
    const [issue] = error.issues
    return `${issue?.path.join('.') || 'the event'}: ${(issue?.message ?? '').slice(0, 200)}`
  }
  if (event.instanceId !== instanceId) return 'instanceId: the credential is of another sidecar'
  return event
}
