import { randomUUID } from 'node:crypto'
import t from 'tap'
import { controlPlaneFor, enrol, sendEvents } from '../../test/support/control-plane.ts'
import { connectAsOwner } from '../db/database.ts'
import { ask, clusterFor } from './support/database.ts'
import { batchOf, INSTANCE, usageEvent } from './support/events.ts'

const newDatabase = await clusterFor(t)
const superuser = await newDatabase()

/** A database of a user without any special right but these. */
async function ownedBy(user: string, rights: string): Promise<string> {
  const url = await newDatabase()
  const name = new URL(url).pathname.slice(1)
  await ask(superuser, `CREATE ROLE ${user} LOGIN PASSWORD 'pw' NOSUPERUSER NOBYPASSRLS ${rights}`)
  await ask(superuser, `ALTER DATABASE ${name} OWNER TO ${user}`)
  return url.replace(/\/\/[^@]+@/, `//${user}:pw@`)
}

t.test('a user who may not make the role is told what an administrator has to do', async (t) => {
  const env = { DATABASE_URL: await ownedBy('bare', 'NOCREATEROLE') }
  await t.rejects(
    controlPlaneFor(t, { env }),
    /CREATE ROLE agentcost NOLOGIN; GRANT agentcost TO the user of DATABASE_URL/,
  )
})

t.test('an ordinary owner of a database is enough, and is bound by row-level security itself', async (t) => {
  const url = await ownedBy('plain', 'CREATEROLE')
  const plane = await controlPlaneFor(t, { env: { DATABASE_URL: url } })
  const credential = await enrol(plane.url, plane.adminKey ?? '', INSTANCE)
  t.match(await sendEvents(plane.url, credential, batchOf([usageEvent()])), { status: 200, body: { stored: 1 } })

  const owner = connectAsOwner(url)
  t.teardown(() => owner.end({ timeout: 1 }))
  for (const name of ['organisations', 'keys', 'usage_events', 'rollup_minute', 'rollup_hour', 'rollup_day']) {
    t.equal((await owner`SELECT FROM ${owner(name)}`).count, 0, `${name} shows nothing without an organisation`)
  }
  const forged = owner`INSERT INTO organisations (org_id, name) VALUES (${randomUUID()}, 'forged')`
  await t.rejects(forged, { code: '42501' })
})

t.test('the user whom an administrator gave the role needs no right of its own', async (t) => {
  const url = await ownedBy('given', 'NOCREATEROLE')
  await ask(superuser, 'GRANT agentcost TO given')
  const plane = await controlPlaneFor(t, { env: { DATABASE_URL: url } })
  const credential = await enrol(plane.url, plane.adminKey ?? '', INSTANCE)
  t.match(await sendEvents(plane.url, credential, batchOf([usageEvent()])), { status: 200, body: { stored: 1 } })
})
