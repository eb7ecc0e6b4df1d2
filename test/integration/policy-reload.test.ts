import { mkdirSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compilePolicy, policyRevision } from '@agentcostcontrol/policy'
import t from 'tap'
import { metricsText, readiness, readinessDetail, revisionInForce } from '../support/admin.ts'
import { chat } from '../support/chat.ts'
import { least } from '../support/least.ts'
import { loadFor } from '../support/load.ts'
import { folderFor, type Scope } from '../support/scope.ts'
import {
  AMPLE_BUDGET,
  budgetYaml,
  sidecarFor,
  type TestSidecar,
  type TestSidecarOptions,
  writePolicies,
} from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

/** A mistake on line 8: a YAML number for money. */
const BAD = budgetYaml({ name: 'ample', limit: '1.00' }).replace('"1.00"', '1.00')
const MISTAKE = /budget\.yaml:6 spec\.limit: write money as a quoted string/

async function started(t: Scope, options: Partial<TestSidecarOptions> = {}) {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, ...options })
  return { simulator, sidecar }
}

/** Waits for another revision than `before`, and says how long that took. */
async function revisionAfter(sidecar: TestSidecar, before: string | null): Promise<{ revision: string; ms: number }> {
  const startedMs = performance.now()
  const revision = await until('another revision is in force', async () => {
    const now = await revisionInForce(sidecar.adminUrl)
    return now === before ? null : now
  })
  return { revision, ms: performance.now() - startedMs }
}

/** Writes a file as an editor does that cares: at once. */
function replaceFile(folder: string, name: string, text: string): void {
  writeFileSync(join(folder, `.${name}.new`), text)
  renameSync(join(folder, `.${name}.new`), join(folder, name))
}

t.test('a bad policy at the start refuses everything and says where the mistake is, until it is mended', async (t) => {
  const { simulator, sidecar } = await started(t, { policies: { 'budget.yaml': BAD } })
  const refused = await chat(sidecar.url)
  t.match(refused, { status: 503, code: 'acc_policy_missing' })
  t.equal(refused.headers.get('retry-after'), '5')
  t.match(refused.message, /\/readyz/)
  t.equal(simulator.requests().length, 0, 'nothing reached the provider')
  const state = await readiness(sidecar.adminUrl)
  t.match(state, { status: 503, ready: false, checks: { policy: { ok: false } } })
  t.match(state.checks.policy?.detail, MISTAKE)
  t.equal(await sidecar.metric('acc_policy_loaded'), 0)
  t.equal(await sidecar.metric('acc_policy_problems'), 1)

  writePolicies(sidecar.policyDir, { 'budget.yaml': AMPLE_BUDGET })
  await revisionAfter(sidecar, null)
  t.equal((await chat(sidecar.url)).status, 200)
  t.match(await readiness(sidecar.adminUrl), { status: 200, ready: true, checks: { policy: { detail: 'folder' } } })
  const events = await sidecar.events(2)
  t.same(
    events.map(({ outcome, code }) => [outcome, code]),
    [
      ['denied', 'acc_policy_missing'],
      ['completed', null],
    ],
  )
})

t.test('a bad policy while running changes nothing, and log, readiness and metrics name the mistake', async (t) => {
  const { sidecar } = await started(t)
  const before = await revisionInForce(sidecar.adminUrl)
  writePolicies(sidecar.policyDir, { 'budget.yaml': BAD })
  await readinessDetail(sidecar.adminUrl, 'policy', MISTAKE)
  t.equal(await revisionInForce(sidecar.adminUrl), before, 'the last good one stays')
  t.equal((await readiness(sidecar.adminUrl)).status, 200, 'and serves')
  t.equal((await chat(sidecar.url)).status, 200)
  t.equal(await sidecar.metric('acc_policy_problems'), 1)
  t.equal(await sidecar.metric('acc_policy_refusals_total'), 1)
  const [line, ...more] = sidecar.log.filter(({ message }) => message === 'policy refused')
  t.match(line, {
    level: 'error',
    file: 'budget.yaml',
    line: 6,
    path: 'spec.limit',
    reason: /quoted string/,
    inForce: before,
  })
  t.same(more, [], 'it is logged once, not at every look')

  const again = budgetYaml({ name: 'ample', limit: '2000000.00' })
  writePolicies(sidecar.policyDir, { 'budget.yaml': again })
  await revisionAfter(sidecar, before)
  t.equal(await sidecar.metric('acc_policy_problems'), 0)
  t.ok((await sidecar.metric('acc_policy_age_seconds')) < 60)
})

t.test('a revision whose test fails changes nothing, and is told as a mistake is', async (t) => {
  const { sidecar } = await started(t)
  const before = await revisionInForce(sidecar.adminUrl)
  const tests = `apiVersion: agentcostcontrol.io/v1
kind: PolicyTest
metadata: { name: house }
spec:
  cases:
    - name: everyone counts twice
      expect:
        budgets: [{ name: ample }, { name: second }]
`
  writePolicies(sidecar.policyDir, { 'tests.yaml': tests })
  await readinessDetail(
    sidecar.adminUrl,
    'policy',
    /tests\.yaml:8 .*"everyone counts twice": expected ample, second, found/,
  )
  t.equal(await revisionInForce(sidecar.adminUrl), before)
  writePolicies(sidecar.policyDir, { 'second.yaml': budgetYaml({ name: 'second', limit: '9.00' }) })
  await revisionAfter(sidecar, before)
  t.equal(await sidecar.metric('acc_policy_problems'), 0)
})

t.test('an edit is in force within a second, also one that keeps size, name and time of modification', async (t) => {
  const { sidecar } = await started(t)
  const file = join(sidecar.policyDir, 'budget.yaml')
  const { atime, mtime } = statSync(file)
  let before = await revisionInForce(sidecar.adminUrl)
  const tookMs = await least(
    (ms) => ms < 1_000,
    async (round) => {
      writeFileSync(file, AMPLE_BUDGET.replace('1000000.00', `${round + 2}000000.00`))
      utimesSync(file, atime, mtime)
      const { revision, ms } = await revisionAfter(sidecar, before)
      before = revision
      return ms
    },
  )
  t.ok(tookMs < 1_000, `${Math.round(tookMs)} ms`)
})

t.test('under load every request sees one revision whole, however the files are written', async (t) => {
  const { sidecar } = await started(t, { policies: pair('a') })
  const revisions = [{ name: 'a', revision: await revisionInForce(sidecar.adminUrl) }]
  const statuses = new Set<number>()
  const load = loadFor(t, 8, async () => statuses.add((await chat(sidecar.url)).status))
  for (const name of ['b', 'c', 'd', 'e']) {
    for (const [file, text] of Object.entries(pair(name))) writeFileSync(join(sidecar.policyDir, file), text)
    const { revision } = await revisionAfter(sidecar, revisions.at(-1)?.revision ?? null)
    revisions.push({ name, revision })
  }
  await load.stop()
  t.same([...statuses], [200])
  const nameOf = new Map(revisions.map(({ name, revision }) => [revision, name]))
  const seen = new Set<string>()
  // Under load the last revision may have come into force when every request that still ran had begun before.
  t.equal((await chat(sidecar.url)).status, 200)
  const last = revisions.at(-1)?.revision
  const events = await until('an event of the last revision', async () => {
    const soFar = await sidecar.events(50)
    return soFar.some(({ policyRevision }) => policyRevision === last) ? soFar : null
  })
  for (const { policyRevision, charges } of events) {
    const name = nameOf.get(policyRevision) ?? 'unknown'
    seen.add(name)
    const expected = [`Budget/${name}-one`, `Budget/${name}-two`]
    const budgets = charges.map(({ budgetUid }) => budgetUid)
    if (budgets.join() !== expected.join()) t.same(budgets, expected, `under revision ${name}`)
  }
  t.same([...seen].sort(), ['a', 'b', 'c', 'd', 'e'], 'each revision was in force, and none that mixes two')
  t.equal(await sidecar.metric('acc_policy_loads_total'), 5)
})

/** A revision in two files, whose budgets tell which it is. */
const pair = (name: string): Readonly<Record<string, string>> => ({
  'one.yaml': budgetYaml({ name: `${name}-one`, limit: '1000000.00' }),
  'two.yaml': budgetYaml({ name: `${name}-two`, limit: '1000000.00' }),
})

t.test('a file that is written bit by bit is not read before it is whole', async (t) => {
  const { sidecar } = await started(t, { policies: { 'budget.yaml': budgetYaml({ name: 'tiny', limit: '0.000001' }) } })
  const statuses = new Set<number>()
  const load = loadFor(t, 1, async () => statuses.add((await chat(sidecar.url)).status))
  for (let round = 1; round <= 20; round++) {
    // Cut short it would be a policy without budgets, if it were read then.
    const text = `# written bit by bit, ${round}\n${budgetYaml({ name: 'tiny', limit: '0.000002' })}`
    const gapMs = await writeBitByBit(join(sidecar.policyDir, 'budget.yaml'), text)
    await until('the whole file is in force', async () =>
      (await revisionInForce(sidecar.adminUrl)) === policyRevision([{ path: 'budget.yaml', text }]) ? true : null,
    )
    // Held up between two writes, on a busy machine, nobody can tell a part from the whole.
    if (gapMs < 150) break
    statuses.clear()
  }
  await load.stop()
  t.same([...statuses], [429], 'the budget held for every request')
})

/** Writes the first bytes of a text again and again for most of a second, then all of it. @returns the longest pause */
async function writeBitByBit(file: string, text: string): Promise<number> {
  const startedMs = performance.now()
  let lastMs = startedMs
  let gapMs = 0
  for (let at = 0; lastMs - startedMs < 800; at++) {
    writeFileSync(file, text.slice(0, at % 40))
    await new Promise((resolve) => setImmediate(resolve))
    const nowMs = performance.now()
    gapMs = Math.max(gapMs, nowMs - lastMs)
    lastMs = nowMs
  }
  writeFileSync(file, text)
  return gapMs
}

t.test('the last good policy survives a restart beside a bad folder, and one that is gone', async (t) => {
  const first = await started(t)
  const revision = await revisionInForce(first.sidecar.adminUrl)
  t.equal(await first.sidecar.stop(), 0)
  const { dataDir, policyDir } = first.sidecar
  for (const [breakFolder, told] of [
    [() => writePolicies(policyDir, { 'budget.yaml': BAD }), MISTAKE],
    [() => rmSync(join(policyDir, 'budget.yaml')), /holds no policy any more/],
    [() => rmSync(policyDir, { recursive: true }), /cannot be read: ENOENT/],
  ] as const) {
    breakFolder()
    const { sidecar } = await started(t, { dataDir, policyDir })
    t.equal(await revisionInForce(sidecar.adminUrl), revision)
    const state = await readiness(sidecar.adminUrl)
    t.match(state, { status: 200, checks: { policy: { ok: true, detail: /^last-known-good; refused: / } } })
    t.match(state.checks.policy?.detail, told)
    t.equal((await chat(sidecar.url)).status, 200)
    t.equal(await sidecar.stop(), 0)
  }
})

t.test('a folder that vanishes or is emptied takes no budget away, and one that comes back is in force', async (t) => {
  const { sidecar } = await started(t)
  const before = await revisionInForce(sidecar.adminUrl)
  rmSync(join(sidecar.policyDir, 'budget.yaml'))
  await readinessDetail(sidecar.adminUrl, 'policy', /holds no policy any more/)
  t.equal(await revisionInForce(sidecar.adminUrl), before)
  rmSync(sidecar.policyDir, { recursive: true })
  await readinessDetail(sidecar.adminUrl, 'policy', /cannot be read: ENOENT/)
  t.equal(await revisionInForce(sidecar.adminUrl), before)
  mkdirSync(sidecar.policyDir)
  writePolicies(sidecar.policyDir, { 'budget.yaml': AMPLE_BUDGET })
  await readinessDetail(sidecar.adminUrl, 'policy', /^folder$/)
  t.equal(await revisionInForce(sidecar.adminUrl), before, 'the same files are the same revision')
  writePolicies(sidecar.policyDir, { 'budget.yaml': '# no budgets here\n' })
  await revisionAfter(sidecar, before)
})

t.test('a Kubernetes ConfigMap is followed through its swap of links', async (t) => {
  const policyDir = folderFor(t)
  const version = (name: string, limit: string): void =>
    writePolicies(policyDir, { [`..${name}/budget.yaml`]: budgetYaml({ name: 'ample', limit }) })
  version('2026_11_24_00', '1.00')
  symlinkSync('..2026_11_24_00', join(policyDir, '..data'))
  symlinkSync('..data/budget.yaml', join(policyDir, 'budget.yaml'))
  const { sidecar } = await started(t, { policyDir })
  const before = await revisionInForce(sidecar.adminUrl)
  version('2026_11_24_01', '2.00')
  symlinkSync('..2026_11_24_01', join(policyDir, '..data_tmp'))
  renameSync(join(policyDir, '..data_tmp'), join(policyDir, '..data'))
  rmSync(join(policyDir, '..2026_11_24_00'), { recursive: true })
  const { revision } = await revisionAfter(sidecar, before)
  const expected = compilePolicy([{ path: 'budget.yaml', text: budgetYaml({ name: 'ample', limit: '2.00' }) }])
  t.equal(expected.ok && expected.policy.revision, revision)
  t.equal(await sidecar.metric('acc_policy_refusals_total'), 0)
})

t.test('a thousand files are a policy, one more is told', async (t) => {
  const file = (at: number): Readonly<Record<string, string>> => ({
    [`${at % 10}/${at}.yml`]: budgetYaml({ name: `b-${at}`, limit: '10.00', agent: `agent-${at}` }),
  })
  const policies = Object.assign({}, ...Array.from({ length: 1_000 }, (_, at) => file(at)))
  const { sidecar } = await started(t, { policies })
  t.equal((await chat(sidecar.url, { headers: { 'x-acc-agent': 'agent-777' } })).status, 200)
  t.match((await sidecar.events(1))[0]?.charges, [
    { budgetUid: 'Budget/b-777', subject: 'agent-777', periodId: 'total' },
  ])
  writePolicies(sidecar.policyDir, file(1_000))
  await readinessDetail(sidecar.adminUrl, 'policy', /more than 1000 policy files/)
})

t.test('hostile YAML is refused with its place, and no request waits for it to be read', async (t) => {
  const { sidecar } = await started(t)
  const before = await revisionInForce(sidecar.adminUrl)
  const alone = performance.now()
  compilePolicy([{ path: 'x.yaml', text: hostile.deep }])
  const readingMs = performance.now() - alone
  for (const [name, text, told] of [
    ['deep', hostile.deep, /deep\.yaml:1 maps and lists are nested deeper/],
    ['bomb', hostile.bomb, /bomb\.yaml:2 the alias \*a0 is not allowed/],
    ['large', 'a'.repeat(10_000_000), /large\.yaml:1 the file is larger than 768 KiB: split it/],
    ['latin', new Uint8Array([0x61, 0x3a, 0x20, 0xe9]), /latin\.yaml:1 the file is not UTF-8/],
  ] as const) {
    const file = join(sidecar.policyDir, `${name}.yaml`)
    const lagMs = await least(
      (ms) => ms < readingMs / 4,
      async () => {
        await metricsText(sidecar.adminUrl)
        writeFileSync(file, text)
        const told_ = await readinessDetail(sidecar.adminUrl, 'policy', told)
        t.match(told_, told)
        const heldMs = 1_000 * (await sidecar.metric('nodejs_eventloop_lag_max_seconds'))
        rmSync(file)
        await readinessDetail(sidecar.adminUrl, 'policy', /^folder$/)
        return heldMs
      },
    )
    t.ok(lagMs < readingMs / 4, `${name}: the event loop was held for ${lagMs.toFixed()} ms of ${readingMs.toFixed()}`)
  }
  t.equal(await revisionInForce(sidecar.adminUrl), before)
  t.equal((await chat(sidecar.url)).status, 200)
})

const hostile = {
  deep: '['.repeat(256 * 1024),
  bomb: Array.from(
    { length: 9 },
    (_, at) =>
      `k${at}: &a${at} [${Array(9)
        .fill(`*a${at - 1}`)
        .join()}]\n`,
  )
    .join('')
    .replace(/\*a-1/g, 'x'),
}

t.test('six hundred documents come into force without holding up a request for long', async (t) => {
  const { sidecar } = await started(t)
  const documents = Array.from({ length: 600 }, (_, at) =>
    budgetYaml({ name: `b-${at}`, limit: '10.00', agent: `agent-${at}` }),
  )
  const files = Array.from({ length: 60 }, (_, at) => ({
    path: `${at}.yaml`,
    text: documents.slice(at * 10, at * 10 + 10).join('---\n'),
  }))
  const alone = performance.now()
  t.ok(compilePolicy(files).ok)
  const readingMs = performance.now() - alone
  const lagMs = await least(
    (ms) => ms < readingMs / 2,
    async (round) => {
      const written = files.map(({ path, text }) => ({ path, text: `# ${round}\n${text}` }))
      const expected = policyRevision([{ path: 'budget.yaml', text: AMPLE_BUDGET }, ...written])
      await metricsText(sidecar.adminUrl)
      for (const { path, text } of written) replaceFile(sidecar.policyDir, path, text)
      // By the log: whoever reads the metrics sets the lag back.
      await until('the documents are in force', () =>
        sidecar.log.some(({ message, revision }) => message === 'policy in force' && revision === expected)
          ? true
          : null,
      )
      return 1_000 * (await sidecar.metric('nodejs_eventloop_lag_max_seconds'))
    },
  )
  t.ok(lagMs < readingMs / 2, `the event loop was held for ${lagMs.toFixed()} ms; reading takes ${readingMs.toFixed()}`)
})
