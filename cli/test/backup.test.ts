import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ask, clusterFor } from '../../control-plane/test/support/database.ts'
import { batchOf, INSTANCE, usageEvent } from '../../control-plane/test/support/events.ts'
import { askApi, clusterUrlOf, controlPlaneFor, enrol, sendEvents } from '../../test/support/control-plane.ts'
import { inCheckout } from '../../test/support/paths.ts'
import { folderFor, type Scope } from '../../test/support/scope.ts'
import { until } from '../../test/support/until.ts'
import { acc } from './support/acc.ts'

/** A control plane in the folder of an `acc up`. */
async function planeIn(scope: Scope) {
  const data = folderFor(scope)
  const plane = await controlPlaneFor(scope, { dataDir: join(data, 'control-plane') })
  const key = plane.adminKey ?? ''
  return { data, plane, key, credential: await enrol(plane.url, key, INSTANCE) }
}

/** Sends events without pause until it is told to end, which the scope does at the latest. */
function trafficTo(scope: Scope, url: string, credential: string) {
  let running = true
  let stored = 0
  const done = (async () => {
    for (let seq = 1; running; seq += 50) {
      const events = Array.from({ length: 50 }, () => usageEvent())
      const answer = await sendEvents(url, credential, batchOf(events, seq))
      // 429 where it is too fast.
      if (answer.status === 200) stored += answer.body.stored
    }
  })()
  const stop = async (): Promise<number> => {
    running = false
    await done
    return stored
  }
  scope.teardown(async () => void (await stop()))
  return { stored: () => stored, stop }
}

/** Starts one of the programs beside the control plane by itself. */
function tool(scope: Scope, entry: string, words: readonly string[], env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, [inCheckout(entry), ...words], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  child.stdout.resume()
  const ended = once(child, 'close')
  scope.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { kill: (signal: NodeJS.Signals) => child.kill(signal), ended, said: () => said }
}

t.test('a backup while events arrive is of one moment: it is restored whole, and acc verify says so', async (t) => {
  const { data, plane, key, credential } = await planeIn(t)
  const traffic = trafficTo(t, plane.url, credential)
  await until('some events', () => (traffic.stored() > 200 ? true : null))
  const file = join(folderFor(t), 'backup')
  const before = traffic.stored()
  t.match(await acc(t, ['backup', file, '--data', data]), {
    code: 0,
    stderr: '',
    stdout: /rows of \d+ tables \(schema \d{4}_/,
  })
  const after = traffic.stored() + 50
  t.equal(statSync(file).mode & 0o777, 0o600)
  const sent = await traffic.stop()
  t.equal((await askApi<{ readonly requests: number }>(`${plane.url}/api/v1/usage/summary`, key)).body.requests, sent)
  t.match(await acc(t, ['restore', file, '--data', data, '--replace']), {
    code: 1,
    stderr: /a control plane runs in .*: stop it first/,
  })

  const elsewhere = folderFor(t)
  t.match(await acc(t, ['restore', file, '--data', elsewhere]), { code: 0, stderr: '', stdout: /^Restored \d+ rows/ })
  t.match(await acc(t, ['verify', '--data', elsewhere]), { code: 0, stdout: /They are equal/ })
  // The key that policies are signed with is no part of the database.
  const env = { CONTROL_PLANE_SIGNING_KEY_FILE: join(data, 'control-plane/policy-signing-key.pem') }
  const again = await controlPlaneFor(t, { dataDir: join(elsewhere, 'control-plane'), env })
  const { body } = await askApi<{ readonly requests: number }>(`${again.url}/api/v1/usage/summary`, key)
  t.ok(
    body.requests >= before && body.requests <= after,
    `${before} <= ${body.requests} <= ${after}, with the same key`,
  )
  t.match(await sendEvents(again.url, credential, batchOf([usageEvent()])), { status: 200, body: { stored: 1 } })
  t.equal(await again.stop(), 0)
  t.match(await acc(t, ['restore', file, '--data', elsewhere]), {
    code: 1,
    stderr: /would be gone: 1 organisation, /,
  })
  t.match(await acc(t, ['restore', file, '--data', elsewhere, '--replace']), {
    code: 0,
    stdout: /\nGone: 1 organisation, /,
  })

  t.equal(await plane.stop(), 0)
  const stopped = join(folderFor(t), 'stopped')
  const made = await acc(t, ['backup', stopped, '--data', data, '--json'])
  const { tables }: { readonly tables: readonly { readonly table: string; readonly rows: number }[] } = JSON.parse(
    made.stdout,
  )
  t.equal(tables.find(({ table }) => table === 'usage_events')?.rows, sent, 'also of one that does not run')
})

t.test('a backup that is killed or called off leaves the one before as it was', async (t) => {
  const { data, plane } = await planeIn(t)
  const folder = folderFor(t)
  const file = join(folder, 'backup')
  t.equal((await acc(t, ['backup', file, '--data', data])).code, 0)
  const before = readFileSync(file)
  const holder = clusterUrlOf(plane)
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    // Somebody holds a table, so that the backup stands in the middle.
    const held = ask(
      holder,
      'BEGIN; LOCK TABLE acc.organisations IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(20); COMMIT',
    ).catch(() => {})
    await until('the lock', async () =>
      (
        await ask(
          holder,
          "SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'acc.organisations'::regclass AND granted",
        )
      ).length > 0
        ? true
        : null,
    )
    const running = tool(t, 'control-plane/backup.ts', [plane.dataDir, file], {})
    await until('half a file', () => (readdirSync(folder).some((name) => name.endsWith('.partial')) ? true : null))
    running.kill(signal)
    await running.ended
    t.ok(readFileSync(file).equals(before), signal)
    t.equal(readdirSync(folder).length, 2, 'what was called off is removed')
    await ask(
      holder,
      "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()",
    )
    await held
  }
  t.equal((await acc(t, ['backup', file, '--data', data])).code, 0, 'the next one is made')
})

t.test('a restore that is killed in the middle, again and again, changes nothing; the next one is whole', async (t) => {
  const newDatabase = await clusterFor(t)
  const source = { DATABASE_URL: await newDatabase() }
  const plane = await controlPlaneFor(t, { env: source })
  const credential = await enrol(plane.url, plane.adminKey ?? '', INSTANCE)
  for (let round = 0; round < 10; round++)
    await sendEvents(plane.url, credential, batchOf(Array.from({ length: 1_000 }, () => usageEvent())))
  const file = join(folderFor(t), 'backup')
  t.match(await acc(t, ['backup', file], { env: source }), { code: 0 })

  const target = { DATABASE_URL: await newDatabase() }
  const own = await controlPlaneFor(t, { env: target })
  await sendEvents(own.url, await enrol(own.url, own.adminKey ?? '', INSTANCE), batchOf([usageEvent()]))
  t.equal(await own.stop(), 0)
  const rows = async (): Promise<unknown> =>
    (
      await ask(
        target.DATABASE_URL,
        'SELECT (SELECT count(*) FROM acc.usage_events)::int AS events, (SELECT count(*) FROM acc.keys)::int AS keys',
      )
    )[0]
  const before = await rows()
  for (let round = 0; round < 3; round++) {
    const running = tool(t, 'control-plane/restore.ts', ['', file, '--replace'], target)
    await until('rows on their way', async () =>
      (
        await ask(
          target.DATABASE_URL,
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query ~ '^(COPY acc|SELECT count)'",
        )
      ).length > 0
        ? true
        : null,
    )
    running.kill('SIGKILL')
    await running.ended
    await until('the end of its transaction', async () =>
      (
        await ask(
          target.DATABASE_URL,
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'agentcostcontrol-tool'",
        )
      ).length === 0
        ? true
        : null,
    )
    t.same(await rows(), before)
  }
  t.match(await acc(t, ['restore', file, '--replace'], { env: target }), { code: 0, stderr: '' })
  t.match(await rows(), { events: 10_000, keys: 3 })
  t.match(await acc(t, ['verify'], { env: target }), { code: 0 })
})

t.test('a database that is not there, a file that is none and a folder without anything are told', async (t) => {
  const env = { DATABASE_URL: 'postgres://nobody:secret@127.0.0.1:9/none' }
  const file = join(folderFor(t), 'backup')
  const unreachable = await acc(t, ['backup', file], { env })
  t.match(unreachable, { code: 1, stderr: /^acc: .*ECONNREFUSED/ })
  t.notMatch(unreachable.stderr, 'secret')
  t.notOk(existsSync(file))
  const data = folderFor(t)
  t.match(await acc(t, ['backup', file, '--data', data]), { code: 1, stderr: /no control plane has run in/ })
  t.match(await acc(t, ['restore', inCheckout('package.json'), '--data', data]), { code: 1, stderr: /is not a backup/ })
  t.match(await acc(t, ['restore', file, '--data', data]), { code: 1, stderr: /ENOENT.*backup/ })
  t.same(readdirSync(data), [], 'and nothing was made')
  for (const command of ['backup', 'restore'])
    t.match(await acc(t, [command]), { code: 2, stderr: new RegExp(`usage: acc ${command} FILE`) })
})
