import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { inCheckout } from '../../test/support/paths.ts'
import { folderFor } from '../../test/support/scope.ts'
import { connectAsOwner } from '../db/database.ts'
import { migrate, readMigrations } from '../db/migrate.ts'
import { makePartitions } from '../db/partitions.ts'
import { clusterFor } from './support/database.ts'

const newDatabase = await clusterFor(t)
const shipped = readMigrations(inCheckout('migrations'))

async function ownerFor(scope: { teardown(work: () => Promise<void>): void }, url: string) {
  const owner = connectAsOwner(url)
  scope.teardown(() => owner.end({ timeout: 1 }))
  return owner
}

const folderOf = (files: Readonly<Record<string, string>>): string => {
  const folder = join(folderFor(t), 'migrations')
  mkdirSync(folder)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

t.test('two replicas that start at once migrate an empty database once, and make each partition once', async (t) => {
  const url = await newDatabase()
  const owners = await Promise.all([ownerFor(t, url), ownerFor(t, url), ownerFor(t, url)])
  const applied = await Promise.all(owners.map((owner) => migrate(owner, shipped)))
  t.equal(
    applied.reduce((sum, count) => sum + count),
    shipped.length,
  )
  const made = await Promise.all(owners.map((owner) => makePartitions(owner)))
  t.equal(
    made.reduce((sum, count) => sum + count),
    4,
    'the month before, this one, and two ahead',
  )
  t.equal(await migrate(await ownerFor(t, url), shipped), 0, 'a second time there is nothing to do')
})

t.test('a migration that fails leaves nothing of itself, and those before it stand', async (t) => {
  const owner = await ownerFor(t, await newDatabase())
  const folder = folderOf({
    '0001_good.sql': 'CREATE TABLE acc.good (a int); INSERT INTO acc.good VALUES (1);',
    '0002_bad.sql': 'CREATE TABLE acc.half (a int); SELECT 1 / 0;',
  })
  await t.rejects(migrate(owner, readMigrations(folder)), /division by zero/)
  t.same(await owner`SELECT name FROM acc.schema_migrations`, [{ name: '0001_good.sql' }])
  t.same(await owner`SELECT to_regclass('acc.half') AS half`, [{ half: null }])
})

t.test('a migration that was edited after it was applied, and a database that is newer, are refused', async (t) => {
  const owner = await ownerFor(t, await newDatabase())
  const files = { '0001_a.sql': 'CREATE TABLE acc.a (a int)', '0002_b.sql': 'CREATE TABLE acc.b (a int)' }
  t.equal(await migrate(owner, readMigrations(folderOf(files))), 2)
  const edited = { ...files, '0001_a.sql': 'CREATE TABLE acc.a (a bigint)' }
  await t.rejects(migrate(owner, readMigrations(folderOf(edited))), /0001_a\.sql has changed since it was applied/)
  const older = { '0001_a.sql': files['0001_a.sql'] }
  await t.rejects(migrate(owner, readMigrations(folderOf(older))), /newer than this control plane: it has 0002_b\.sql/)
})

t.test('numbers without a gap and names of one form', async (t) => {
  t.throws(
    () => readMigrations(folderOf({ '0001_a.sql': '', '0003_c.sql': '' })),
    /0003_c\.sql: expected 0002_name\.sql/,
  )
  t.throws(() => readMigrations(folderOf({ 'readme.md': '' })), /readme\.md: expected 0001_name\.sql/)
})

t.test('a role that row-level security would not bind is refused', async (t) => {
  const url = await newDatabase()
  const owner = await ownerFor(t, url)
  await migrate(owner, shipped)
  await owner`ALTER ROLE agentcost BYPASSRLS`
  t.teardown(() => owner`ALTER ROLE agentcost NOBYPASSRLS`)
  await t.rejects(migrate(owner, shipped), /the role agentcost would pass by row-level security/)
})
