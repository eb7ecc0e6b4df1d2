import { type Edit, edit, type Fault } from './fault.ts'

const INGEST = 'control-plane/usage/ingest-repository.ts'
const SCHEMA = 'migrations/0001_ground_floor.sql'

const fault =
  (test: string) =>
  (name: string, only: string, edits: readonly Edit[]): Fault => ({
    name: `control plane: ${name}`,
    edits,
    test,
    only: [only],
  })

const ingest = fault('control-plane/test/ingest.test.ts')
const tenancy = fault('control-plane/test/tenancy.test.ts')
const settled = fault('sidecar/test/settled-events.test.ts')
const process_ = fault('control-plane/test/start-and-stop.test.ts')
const uploader = fault('sidecar/test/uploader.test.ts')

/** Events up, stored once, of one organisation. */
export const CONTROL_PLANE: readonly Fault[] = [
  ingest(
    'sums are of what came and not of what was new',
    'an event counts once',
    edit(INGEST, 'FROM inserted GROUP BY', 'FROM pg_temp.incoming GROUP BY'),
  ),
  ingest(
    'rows are not inserted in order of their keys',
    'two replicas get the same events',
    edit(INGEST, ' ORDER BY intent_at, event_id', ''),
  ),
  ingest(
    'text is not escaped for COPY',
    'any text that an event may hold',
    edit('control-plane/usage/event-columns.ts', 'SPECIAL.test(text) ? ', 'text === SPECIAL.source ? '),
  ),
  ingest(
    'a sum of the dearest events has no room',
    'the dearest events',
    edit(SCHEMA, '  cost_nano numeric(38) NOT NULL,', '  cost_nano numeric(18) NOT NULL,'),
  ),
  ingest(
    'an event of another sidecar is taken',
    'a bad event is refused',
    edit('control-plane/usage/ingest-service.ts', 'event.instanceId !== instanceId', 'event.instanceId === ""'),
  ),
  tenancy(
    'a table is not bound to its organisation',
    'every table is bound',
    edit(
      SCHEMA,
      "CALL acc.make_tenants('acc.rollup_day', 'SELECT, INSERT, UPDATE');",
      'GRANT ALL ON acc.rollup_day TO agentcost;',
    ),
  ),
  tenancy(
    'the organisation outlives its transaction',
    'no row of another organisation',
    edit('control-plane/db/database.ts', '{orgId}, true)', '{orgId}, false)'),
  ),
  fault('control-plane/test/api.test.ts')(
    'the secret of a key is not compared',
    'no path answers without a key',
    edit('control-plane/auth/service.ts', ' || !timingSafeEqual(stored.secretHash, secretHash)', ''),
  ),
  settled(
    'events are deleted before they were acknowledged',
    'no event is summed up',
    edit(
      'sidecar/events/outbox.ts',
      'options.uploads ? groupOf(uploaded) : Number.POSITIVE_INFINITY',
      'Number.POSITIVE_INFINITY',
    ),
  ),
  settled(
    'what was acknowledged is forgotten by kill -9',
    'what was acknowledged is known',
    edit('sidecar/events/outbox.ts', "if (acknowledged !== null) db.setMeta('uploaded', String(acknowledged))", ''),
  ),
  uploader(
    'an answer to something else counts as one',
    'without an answer',
    edit('sidecar/control/uploader.ts', 'if (storedThrough !== batch.last)', 'if (storedThrough > batch.last)'),
  ),
  process_(
    'each replica of a first start shows a key',
    'of replicas that start at once',
    edit('control-plane/auth/repository.ts', ' FOR UPDATE`', '`'),
  ),
  process_(
    'a key that was not shown counts as shown',
    'a control plane that is killed before',
    edit(
      'control-plane/auth/repository.ts',
      'WHERE key_shown_at IS NULL',
      "WHERE now() - created_at < interval '1 ms'",
    ),
  ),
  process_(
    'a second signal breaks off nothing',
    'one signal lets running requests',
    edit('control-plane/shutdown.ts', 'if (signals < 2) return', 'if (signals < 9) return'),
  ),
]
