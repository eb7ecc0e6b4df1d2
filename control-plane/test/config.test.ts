import { readFileSync } from 'node:fs'
import { API_CODES } from '@agentcostcontrol/contract'
import t from 'tap'
import { controlPlaneFor } from '../../test/support/control-plane.ts'
import { page, rows } from '../../test/support/documents.ts'
import { inCheckout } from '../../test/support/paths.ts'
import { CONTROL_PLANE_VARIABLES, parseConfig } from '../config.ts'
import { PROBLEM_CATALOGUE } from '../errors.ts'
import { createMetrics } from '../metrics.ts'

t.test('without any variable it listens on this machine alone, with a PostgreSQL of its own', async (t) => {
  t.match(parseConfig({}), {
    listen: { host: '127.0.0.1', port: 8080 },
    adminListen: { host: '127.0.0.1', port: 8081 },
    databaseUrl: null,
    dataDir: '.acc/control-plane',
  })
  t.equal(parseConfig({ DATABASE_URL: '', ACC_LISTEN: 'x' }).databaseUrl, null, 'the sidecar’s are not its own')
})

t.test('every mistake is named at once, and no password with it', async (t) => {
  const env = { DATABASE_URL: 'mysql://user:secret@host/db', CONTROL_PLANE_LISTEN: '8080', CONTROL_PLANE_LISTN: ':1' }
  try {
    parseConfig(env)
    t.fail('it was taken')
  } catch (error) {
    const message = String(error)
    for (const name of Object.keys(env)) t.match(message, `  ${name}: `)
    t.notMatch(message, 'secret')
  }
  await t.rejects(
    controlPlaneFor(t, { env }),
    /ended with 1: the control plane cannot start: the configuration is not valid/,
  )
})

t.test('a database that is not there ends the start with its reason', async (t) => {
  const env = { DATABASE_URL: 'postgres://nobody:x@127.0.0.1:9/none' }
  await t.rejects(controlPlaneFor(t, { env }), /ended with 1: the control plane cannot start: .*ECONNREFUSED/)
})

t.test('hosts that lists are fetched from at any address are names and addresses, and no URLs', (t) => {
  const parse = (text: string) => parseConfig({ CONTROL_PLANE_THREAT_INTEL_ALLOW_HOSTS: text }).threatIntelAllowHosts
  t.same(parse('Mirror.internal, 10.0.0.7:8080,[fd00::1]:80'), ['mirror.internal', '10.0.0.7:8080', '[fd00::1]:80'])
  t.same(parseConfig({}).threatIntelAllowHosts, [])
  for (const bad of ['http://mirror/', 'a,,b', 'a b', 'a:port'])
    t.throws(() => parse(bad), /expected host or host:port/)
  t.end()
})

t.test('docs/configuration.md names every variable with its default, and none besides', async (t) => {
  const text = readFileSync(inCheckout('docs/configuration.md'), 'utf8')
  const found = [...text.matchAll(/^\| `(CONTROL_PLANE_\w+|DATABASE_URL|REDIS_URL)` \|(.*?)\|(.*)\|$/gm)]
  t.same(
    found.map(([, name, fallback]) => ({ name, fallback: fallback?.trim() })),
    CONTROL_PLANE_VARIABLES.map(({ name, fallback }) => ({ name, fallback: fallback ? `\`${fallback}\`` : '' })),
  )
})

t.test('docs/control-plane.md tells every problem with its status, and every metric', async (t) => {
  const told = rows(page('docs/control-plane.md').text)
  t.same(
    told
      .filter(([cell]) => API_CODES.some((code) => cell === `\`${code}\``))
      .map(([code, status]) => ({ code, status })),
    PROBLEM_CATALOGUE.map(({ code, status }) => ({ code: `\`${code}\``, status: String(status) })),
  )
  const names = [...(await createMetrics().text()).matchAll(/^# TYPE (acc_\S+)/gm)].map(([, name]) => `\`${name}\``)
  t.ok(names.length >= 2)
  for (const name of names)
    t.ok(
      told.some(([cell]) => cell === name),
      name,
    )
})
