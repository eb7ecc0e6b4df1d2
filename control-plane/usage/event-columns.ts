import { createHash } from 'node:crypto'
import { eventRow, type UsageEvent } from '@agentcostcontrol/contract'

/** The columns of `usage_events` that a row is made of, in this order; the organisation and the time of receipt aside. */
export const EVENT_COLUMNS = [
  'intent_at',
  'event_id',
  'instance_id',
  'agent',
  'workflow',
  'session',
  'task',
  'provider',
  'model',
  'outcome',
  'code',
  'client_status',
  'precision',
  'streamed',
  'unpriced',
  'input_tokens',
  'output_tokens',
  'cost_nano',
  'charged_nano',
  'duration_ms',
  'first_byte_ms',
  'clamped_tokens',
  'operation',
  'method',
  'path',
  'policy_revision',
  'tags',
  'attempts',
  'findings',
  'charges',
  'budget_decision',
] as const

/** One line of COPY's text format for an event. */
export function copyLine(event: UsageEvent): string {
  const { principal } = event
  const row = eventRow(event)
  const unpriced = event.attempts.some(({ costNanoUsd }) => costNanoUsd === null)
  return `${[
    event.intentAt,
    event.eventId,
    event.instanceId,
    field(keyPart(row.agent)),
    field(keyPart(row.workflow)),
    nullable(principal.session),
    nullable(principal.task),
    field(keyPart(row.provider)),
    field(keyPart(row.model)),
    event.outcome,
    nullable(event.code),
    event.clientStatus ?? NULL,
    row.precision,
    event.streamed,
    unpriced,
    row.inputTokens,
    row.outputTokens,
    row.cost,
    row.charged,
    event.durationMs,
    event.upstreamFirstByteMs ?? NULL,
    event.clampedOutputTokens ?? NULL,
    field(event.operation),
    field(event.method),
    field(event.path),
    field(event.policyRevision),
    field(JSON.stringify(principal.tags)),
    field(JSON.stringify(event.attempts)),
    field(JSON.stringify(event.findings)),
    field(JSON.stringify(event.charges)),
    event.budgetDecision === undefined ? NULL : field(JSON.stringify(event.budgetDecision)),
  ].join('\t')}\n`
}

const NULL = '\\N'
const SPECIAL = /[\\\t\n\r]/
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

/** COPY's text format: a backslash would begin an escape, a tab would end the field, a line end the row. */
const field = (text: string): string =>
  SPECIAL.test(text) ? text.replace(/[\\\t\n\r]/g, (special) => ESCAPES[special] ?? special) : text

const nullable = (text: string | null): string => (text === null ? NULL : field(text))

/** An entry of an index has at most 2 700 bytes, and four names stand in the key of a sum. */
const KEY_PART_BYTES_MAX = 600
const KEPT_CHARACTERS = 128

/** A name as part of a key: itself, or its beginning and its hash where it is too long for that. */
function keyPart(name: string): string {
  if (name.length <= KEPT_CHARACTERS || Buffer.byteLength(name) <= KEY_PART_BYTES_MAX) return name
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 16)
  return `${[...name].slice(0, KEPT_CHARACTERS).join('')}…${hash}`
}
