import { randomUUID } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { inCheckout } from '../../test/support/paths.ts'
import { folderFor, type Scope } from '../../test/support/scope.ts'
import { type BackupContents, checkBackup, makeBackup, restoreBackup } from '../backup/service.ts'
import { connectAsTool, openDatabase } from '../db/database.ts'
import { type Migration, migrate, readMigrations } from '../db/migrate.ts'
import { makePartitions } from '../db/partitions.ts'
import { createIngestService } from '../usage/ingest-service.ts'
import { verify } from '../usage/verify.ts'
import { ask, clusterFor } from './support/database.ts'
import { batchOf, INSTANCE, usageEvent } from './support/events.ts'
import { ledgerOn, TestHolder } from './support/ledger.ts'
import { recordOn } from './support/security.ts'

const newDatabase = await clusterFor(t)
const superuser = await newDatabase()
await ask(superuser, 'CREATE ROLE agentcost NOLOGIN')
const shipped = readMigrations(inCheckout('migrations'))
/** A schema of the future: a table with numbers that the database makes. */
const NEXT: Migration = {
  number: shipped.length + 1,
  name: 'next.sql',
  checksum: 'f'.repeat(64),
  sql: `CREATE TABLE acc.counted (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text,
    twice text GENERATED ALWAYS AS (text || text) STORED); INSERT INTO acc.counted (text) VALUES ('a'), (E'b\\t\\\\\\n'), (NULL)`,
}
const NEVER = new AbortController().signal
const orgIds = [randomUUID(), randomUUID()] as const

/** A database of a user without any special right, whom row-level security binds. */
async function ownedByPlain(): Promise<string> {
  const url = await newDatabase()
  const name = new URL(url).pathname.slice(1)
  const user = `u_${name}`
  await ask(superuser, `CREATE ROLE ${user} LOGIN PASSWORD 'pw' NOSUPERUSER NOBYPASSRLS CREATEROLE`)
  await ask(superuser, `ALTER DATABASE ${name} OWNER TO ${user}`)
  await ask(superuser, `GRANT agentcost TO ${user}`)
  return url.replace(/\/\/[^@]+@/, `//${user}:pw@`)
}

function toolFor(scope: Scope, url: string) {
  const owner = connectAsTool(url)
  scope.teardown(() => owner.end({ timeout: 1 }))
  return owner
}

/** Two organisations with events of this month, of another one, and of long ago. */
async function fill(scope: Scope, url: string, migrations = shipped): Promise<void> {
  const owner = toolFor(scope, url)
  await migrate(owner, migrations)
  await makePartitions(owner)
  const database = openDatabase(url, 2)
  const ledger = ledgerOn(database)
  const { book } = ledger
  const ingest = createIngestService({ database, record: recordOn(database), book, onBatch: () => {} })
  for (const orgId of orgIds) {
    await database.inOrg(orgId, (tx) => tx`INSERT INTO organisations (org_id, name) VALUES (${orgId}, ${'näme\t\\N'})`)
    const events = [
      usageEvent(),
      usageEvent({ intentAt: '2021-02-03T04:05:06.789Z' }),
      ...Array.from({ length: 400 }, () => usageEvent()),
    ]
    const holder = new TestHolder(ledger, orgId, INSTANCE)
    await holder.hello()
    await ingest.ingest(holder.caller, batchOf(events).events)
  }
  await database.close()
}

async function backupOf(scope: Scope, url: string) {
  const file = join(folderFor(scope), 'backup.zst')
  const made = await makeBackup(toolFor(scope, url), file, NEVER)
  return { file, made }
}

/** What two databases with the same rows have in common: all but the ledger's epoch, which a restore raises. */
const tablesOf = ({ tables }: BackupContents) => tables.filter(({ table }) => table !== 'ledgers')

t.test('what is restored is what was there: every row of every organisation, and it is bound as before', async (t) => {
  for (const [who, source, target] of [
    ['a superuser', await newDatabase(), await newDatabase()],
    ['an owner whom row-level security binds', await ownedByPlain(), await ownedByPlain()],
  ] as const) {
    await fill(t, source, [...shipped, NEXT])
    await ask(source, "INSERT INTO acc.counted (text) VALUES ('one more than the migration made')")
    const { file, made } = await backupOf(t, source)
    t.equal(made.tables.find(({ table }) => table === 'usage_events')?.rows, 804, `${who}: nothing is left out`)
    t.equal(statSync(file).mode & 0o777, 0o600)
    t.match(await checkBackup(file, [...shipped, NEXT]), { tables: made.tables })
    const migrations = [...shipped, NEXT]
    const restored = await restoreBackup(toolFor(t, target), { file, migrations, replace: false })
    t.same(restored.tables, made.tables)
    t.equal(restored.replaced, null)
    t.same(tablesOf((await backupOf(t, target)).made), tablesOf(made), `${who}: the same bytes come out again`)

    const database = openDatabase(target, 1)
    for (const orgId of orgIds) {
      t.match(await verify(database, orgId), { ok: true, totals: [{ requests: '402' }] })
      const ledger = await database.inOrg(orgId, (tx) => tx`SELECT epoch::int, recovering FROM ledgers`)
      t.match([...ledger], [{ recovering: true }], 'the ledger knows that it went back')
      t.ok(ledger[0]?.epoch > 1)
    }
    t.equal((await database.inNone((tx) => tx`SELECT FROM usage_events`)).count, 0, 'nobody sees them without a key')
    await database.close()
    const own = await ask(target, 'SELECT FROM acc.usage_events')
    t.equal(own.length, who === 'a superuser' ? 804 : 0, 'the owner is bound again')
    await ask(target, "INSERT INTO acc.counted (text) VALUES ('next')")
    t.match(await ask(target, "SELECT id::int, twice FROM acc.counted WHERE text IN ('next')"), [
      { id: 5, twice: 'nextnext' },
    ])
    await makePartitions(toolFor(t, target))
  }
})

t.test('a backup of an older schema comes out in the newest one, and one of a newer is refused', async (t) => {
  const source = await newDatabase()
  await fill(t, source)
  const { file, made } = await backupOf(t, source)
  const target = await newDatabase()
  const restored = await restoreBackup(toolFor(t, target), { file, migrations: [...shipped, NEXT], replace: false })
  t.equal(restored.schema, shipped.at(-1)?.name)
  t.match(await ask(target, 'SELECT count(*)::int AS count FROM acc.counted'), [{ count: 3 }])
  t.same(
    tablesOf((await backupOf(t, target)).made).filter(({ table }) => table !== 'counted'),
    tablesOf(made),
  )
  const newer = (await backupOf(t, target)).file
  await t.rejects(checkBackup(newer, shipped), /the backup is newer than this control plane: it has next\.sql/)
  const edited = [...shipped.slice(0, -1), { ...NEXT, number: shipped.length }]
  await t.rejects(checkBackup(file, edited), /next\.sql has changed since it was applied/)
})

t.test('a migration that fails in the end leaves what was there', async (t) => {
  const source = await newDatabase()
  await fill(t, source)
  const { file, made } = await backupOf(t, source)
  const bad = { ...NEXT, sql: 'CREATE TABLE acc.half (a int); SELECT 1 / 0' }
  const restore = restoreBackup(toolFor(t, source), { file, migrations: [...shipped, bad], replace: true })
  await t.rejects(restore, /division by zero/)
  t.same(tablesOf((await backupOf(t, source)).made), tablesOf(made))
})

t.test('an installation goes only if that is said, and then it is told what went', async (t) => {
  const source = await newDatabase()
  await fill(t, source)
  const { file, made } = await backupOf(t, source)
  const last =
    /2 organisations, 0 keys, 804 requests, the last of 20\d\d-.*Say --replace if it may go; nothing was changed/
  const options = { file, migrations: shipped }
  await t.rejects(restoreBackup(toolFor(t, source), { ...options, replace: false }), last)
  await ask(source, 'DELETE FROM acc.rollup_day')
  const restored = await restoreBackup(toolFor(t, source), { ...options, replace: true })
  t.match(restored.replaced, { organisations: 2, requests: 804, keys: 0 })
  t.same(tablesOf((await backupOf(t, source)).made), tablesOf(made))

  const foreign = await newDatabase()
  await ask(foreign, 'CREATE SCHEMA acc; CREATE TABLE acc.mine (a int)')
  await t.rejects(
    restoreBackup(toolFor(t, foreign), { ...options, replace: true }),
    /a schema "acc" that is not of a control plane/,
  )
  t.equal((await ask(foreign, 'SELECT FROM acc.mine')).length, 0, 'it is there')

  const running = openDatabase(source, 1)
  t.teardown(() => running.close())
  await running.inNone((tx) => tx`SELECT 1`)
  await t.rejects(restoreBackup(toolFor(t, source), { ...options, replace: true }), /a control plane is connected/)
})

t.test('a file that was cut or changed anywhere is refused with the place, and changes nothing', async (t) => {
  const source = await newDatabase()
  await fill(t, source)
  const { file, made } = await backupOf(t, source)
  const bytes = readFileSync(file)
  const damaged = join(folderFor(t), 'damaged')
  const damages = fc.oneof(
    fc.record({
      kind: fc.constant('flip' as const),
      at: fc.nat(bytes.length - 1),
      by: fc.integer({ min: 1, max: 255 }),
    }),
    fc.record({ kind: fc.constant('cut' as const), at: fc.nat(bytes.length - 1), by: fc.constant(0) }),
    fc.record({ kind: fc.constant('insert' as const), at: fc.nat(bytes.length), by: fc.nat(255) }),
    fc.record({
      kind: fc.constant('lose' as const),
      at: fc.nat(bytes.length - 1),
      by: fc.integer({ min: 1, max: 5_000 }),
    }),
  )
  const damage = ({ kind, at, by }: { readonly kind: string; readonly at: number; readonly by: number }): void => {
    const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)]
    const changed = {
      flip: [head, Buffer.from([(bytes[at] ?? 0) ^ by]), tail.subarray(1)],
      cut: [head],
      insert: [head, Buffer.from([by]), tail],
      lose: [head, tail.subarray(by)],
    }[kind]
    writeFileSync(damaged, Buffer.concat(changed ?? []))
  }
  let refused = 0
  await fc.assert(
    fc.asyncProperty(damages, async (how) => {
      damage(how)
      const outcome = await checkBackup(damaged, shipped).catch((error) => error)
      if (outcome instanceof Error) {
        refused++
        return /^the (backup is damaged|file is )/.test(outcome.message)
      }
      // A bit of the container that means nothing: then everything has to be there.
      return JSON.stringify(outcome.tables) === JSON.stringify(made.tables)
    }),
    { numRuns: 150 },
  )
  t.ok(refused > 100, `${refused} of 150 were seen`)

  for (const share of [0.01, 0.3, 0.6, 0.99]) {
    damage({ kind: 'flip', at: Math.floor(bytes.length * share), by: 0x55 })
    const restore = restoreBackup(toolFor(t, source), { file: damaged, migrations: shipped, replace: true })
    await t.rejects(restore, /damaged|not a backup|does not exist/, `at ${share}, without having looked before`)
  }
  t.same(tablesOf((await backupOf(t, source)).made), tablesOf(made), 'what was there is there')
  damage({ kind: 'cut', at: bytes.length - 200, by: 0 })
  await t.rejects(
    checkBackup(damaged, shipped),
    /damaged in the table \w+, behind row \d+ \(byte \d+ of its contents\)/,
  )
})

t.test(
  'a container that is sound is not believed either: each block, and the whole, have to be what was written',
  async (t) => {
    const source = await newDatabase()
    await fill(t, source)
    const { file } = await backupOf(t, source)
    const contents = zstdDecompressSync(readFileSync(file)).toString('latin1')
    const lastLine = contents.lastIndexOf('{"end"')
    for (const [how, changed, message] of [
      ['a row', contents.replace('researcher', 'researchex'), /the bytes of this block were changed/],
      [
        'the header',
        contents.replace(/"systemIdentifier":"./, '"systemIdentifier":"0'),
        /damaged at its end .*its checksum is another/,
      ],
      ['its end is missing', contents.slice(0, lastLine), /damaged at its end .*the file ends here/],
      ['something follows', `${contents}x`, /something stands behind its end/],
    ] as const) {
      writeFileSync(file, zstdCompressSync(Buffer.from(changed, 'latin1')))
      await t.rejects(checkBackup(file, shipped), message, how)
    }
  },
)

t.test('what never was a backup is told apart from one that is damaged', async (t) => {
  const file = join(folderFor(t), 'file')
  for (const bytes of [
    Buffer.from('PGDMP and so on'),
    gzipSync('agentcostcontrol backup\n'),
    zstdCompressSync(Buffer.from('something else, long enough to be taken for one')),
  ]) {
    writeFileSync(file, bytes)
    await t.rejects(checkBackup(file, shipped), /is not a backup of a control plane/)
  }
  writeFileSync(file, '')
  await t.rejects(checkBackup(file, shipped), /is not a backup|damaged at its beginning/)
  writeFileSync(file, zstdCompressSync(Buffer.from('agentcostcontrol backup\n{"format":2}\n')))
  await t.rejects(checkBackup(file, shipped), /of another format than this program knows/)
  await t.rejects(checkBackup(join(folderFor(t), 'none'), shipped), /ENOENT/)
})

t.test('nothing in a file becomes a statement', async (t) => {
  const header = {
    format: 1,
    madeAt: '2026-11-24T00:00:00.000Z',
    systemIdentifier: '1',
    migrations: shipped.map(({ number, name, checksum }) => ({ number, name, checksum })),
    partitions: [],
    sequences: [],
    tables: [],
  }
  const file = join(folderFor(t), 'file')
  const evil = 'x; DROP TABLE acc.keys'
  for (const over of [
    { partitions: [{ name: evil, of: 'usage_events', bound: "FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')" }] },
    {
      partitions: [
        { name: 'x', of: 'usage_events', bound: `FOR VALUES FROM ('2026-01-01') TO ('2026-02-01'); ${evil}` },
      ],
    },
    { sequences: [{ name: evil, value: '1', called: true }] },
    { tables: [evil] },
  ]) {
    writeFileSync(
      file,
      zstdCompressSync(Buffer.from(`agentcostcontrol backup\n${JSON.stringify({ ...header, ...over })}\n`)),
    )
    await t.rejects(checkBackup(file, shipped), /damaged at its beginning.*/)
  }
})
