import { randomUUID } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type EnrolmentAnswer, enrolmentAnswerSchema } from '@agentcostcontrol/contract'
import { compilePolicy } from '@agentcostcontrol/policy'
import t from 'tap'
import { askApi, clusterUrlOf, controlPlaneFor } from '../../test/support/control-plane.ts'
import { least } from '../../test/support/least.ts'
import { inCheckout } from '../../test/support/paths.ts'
import { folderFor } from '../../test/support/scope.ts'
import { AMPLE_BUDGET, budgetYaml, writePolicies } from '../../test/support/sidecar.ts'
import { until } from '../../test/support/until.ts'

const folder = folderFor(t)
writePolicies(folder, { 'budget.yaml': AMPLE_BUDGET })
const plane = await controlPlaneFor(t, { env: { CONTROL_PLANE_POLICY_DIR: folder } })
const adminKey = plane.adminKey ?? ''

interface Current {
  readonly inForce: { readonly generation: number; readonly revision: string } | null
  readonly folders: readonly { readonly state: string; readonly problems: readonly { readonly message: string }[] }[]
}

const get = async <Body>(path: string): Promise<Body> => {
  const { status, body } = await askApi<Body>(`${plane.url}/api/v1/policies/${path}`, adminKey)
  if (status !== 200) throw new Error(`${path} answered ${status}`)
  return body
}
const current = (): Promise<Current> => get('current')

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${plane.adminUrl}/metrics`)).text()
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.split(' ')[1],
  )
}

t.test('what the folder holds at the start is in force when the control plane listens', async (t) => {
  const { inForce } = await current()
  t.ok(inForce)
  t.equal(await metric('acc_policy_generation'), inForce?.generation)
  t.equal(await metric('acc_policy_revisions_total{result="published"}'), 1)
})

t.test('an edit is published within a second', async (t) => {
  const publish = async (digit: number): Promise<number> => {
    const before = (await current()).inForce?.generation
    const begunMs = performance.now()
    writePolicies(folder, { 'budget.yaml': AMPLE_BUDGET.replace('1000000', `${digit}000000`) })
    await until('it is published', async () => ((await current()).inForce?.generation === before ? null : true))
    return performance.now() - begunMs
  }
  const tookMs = await least(
    (ms) => ms < 1_000,
    (round) => publish(9 - round),
  )
  t.ok(tookMs < 1_000, `${Math.round(tookMs)} ms`)
  // The next tests look at these two.
  for (const digit of [3, 4]) await publish(digit)
})

t.test('sidecars are given the keys that bundles are signed with', async (t) => {
  const { token } = (await askApi<{ token: string }>(`${plane.url}/api/v1/enrolment-tokens`, adminKey, '')).body
  const answer = await askApi<EnrolmentAnswer>(`${plane.url}/sidecar/v1/enrol`, token, { instanceId: randomUUID() })
  const { policyKeys } = enrolmentAnswerSchema.parse(answer.body)
  t.equal(policyKeys.length, 1)
  t.match(policyKeys[0]?.publicKey, /^-----BEGIN PUBLIC KEY-----/)
})

t.test(
  'revisions are listed page by page and shown whole, by generation and by hash; anything else is told',
  async (t) => {
    const { inForce } = await current()
    const first = await get<{ revisions: readonly { generation: number }[]; nextCursor: string }>('revisions?limit=1')
    t.match(first.revisions, [
      { ...inForce, state: 'inForce', author: null, uncommitted: null, tests: 0, problems: [] },
    ])
    const second = await get<{ revisions: readonly object[] }>(`revisions?limit=1&cursor=${first.nextCursor}`)
    t.match(second.revisions, [{ state: 'superseded' }])
    for (const key of [inForce?.generation, inForce?.revision]) {
      const shown = await get<object>(`revisions/${key}`)
      t.match(shown, { ...inForce, content: [{ path: 'budget.yaml', text: /4000000/ }] })
      t.match(shown, {
        difference: { changed: ['budget.yaml'], unified: /- {2}limit: "3000000\.00"\n\+ {2}limit: "4/ },
      })
    }
    for (const [path, status, code] of [
      ['revisions/5', 404, 'acc_api_not_found'],
      [`revisions/${'0'.repeat(64)}`, 404, 'acc_api_not_found'],
      ['revisions/latest', 400, 'acc_api_invalid'],
      [`revisions/${'0'.repeat(65)}`, 400, 'acc_api_invalid'],
      ['revisions?limit=0', 400, 'acc_api_invalid'],
      ['revisions?cursor=x', 400, 'acc_api_invalid'],
      ['revisions?page=2', 400, 'acc_api_invalid'],
    ] as const)
      t.match(await askApi(`${plane.url}/api/v1/policies/${path}`, adminKey), { status, body: { code } }, path)
  },
)

const deep = '['.repeat(256 * 1024)
const bomb = Array.from(
  { length: 9 },
  (_, at) =>
    `k${at}: &a${at} [${Array(9)
      .fill(`*a${at - 1}`)
      .join()}]\n`,
)
  .join('')
  .replace(/\*a-1/g, 'x')
const many = (count: number): string =>
  Array.from({ length: count }, (_, at) => budgetYaml({ name: `b-${at}`, limit: '1.00' })).join('---\n')

t.test('hostile YAML is refused with its place, and holds up neither a request nor the memory', async (t) => {
  const { inForce } = await current()
  const alone = performance.now()
  compilePolicy([{ path: 'x.yaml', text: deep }])
  const readingMs = performance.now() - alone
  for (const [name, text, told] of [
    ['deep', deep, /nested deeper/],
    ['bomb', bomb, /the alias \*a0 is not allowed/],
    ['large', `a: ${'a'.repeat(1024 * 1024)}`, /larger than 768 KiB/],
    ['many', '---\na: b\n'.repeat(20_000), /more than 500 documents/],
    ['latin', new Uint8Array([0x61, 0x3a, 0x20, 0xe9]), /not UTF-8/],
  ] as const) {
    const file = join(folder, `${name}.yaml`)
    const soonMs = Math.max(100, readingMs / 4)
    const lagMs = await least(
      (ms) => ms < soonMs,
      async () => {
        await metric('nodejs_eventloop_lag_max_seconds')
        writeFileSync(file, text)
        await until(`${name} is refused`, async () => {
          const [found] = (await current()).folders
          return found?.problems.some(({ message }) => told.test(message)) ? found : null
        })
        const heldMs = 1_000 * (await metric('nodejs_eventloop_lag_max_seconds'))
        rmSync(file)
        await until(`${name} is gone`, async () => ((await current()).folders[0]?.state === 'inForce' ? true : null))
        return heldMs
      },
    )
    t.ok(lagMs < soonMs, `${name}: the event loop was held for ${lagMs.toFixed()} ms`)
  }
  t.same((await current()).inForce, inForce, 'the last good one stayed')
  t.ok((await metric('nodejs_heap_size_used_bytes')) < 150e6)
})

t.test('hundreds of documents come into force without holding up a request for long', async (t) => {
  const files = [{ path: 'many.yaml', text: many(400) }]
  const alone = performance.now()
  t.ok(compilePolicy(files).ok)
  const readingMs = performance.now() - alone
  const soonMs = Math.max(100, readingMs / 2)
  const lagMs = await least(
    (ms) => ms < soonMs,
    async (round) => {
      const before = (await current()).inForce?.generation
      await metric('nodejs_eventloop_lag_max_seconds')
      writePolicies(folder, { 'many.yaml': `# ${round}\n${many(400)}` })
      await until('it is published', async () => ((await current()).inForce?.generation === before ? null : true))
      return 1_000 * (await metric('nodejs_eventloop_lag_max_seconds'))
    },
  )
  t.ok(lagMs < soonMs, `held for ${lagMs.toFixed()} ms; reading takes ${readingMs.toFixed()}`)
})

t.test('a second replica with a key of its own ends its start with what to do', async (t) => {
  const env = { DATABASE_URL: clusterUrlOf(plane), CONTROL_PLANE_POLICY_DIR: inCheckout('policies/demo') }
  const none = { ...env, CONTROL_PLANE_SIGNING_KEY_FILE: join(folder, 'none.pem') }
  await t.rejects(
    controlPlaneFor(t, { env: none }),
    /the control plane cannot start: there is no key at .*: copy that file/,
  )
  const second = await controlPlaneFor(t, {
    env: { ...env, CONTROL_PLANE_SIGNING_KEY_FILE: join(plane.dataDir, 'policy-signing-key.pem') },
  })
  await until('both folders are told of', async () => ((await current()).folders.length === 2 ? true : null))
  t.equal(await second.stop(), 0)
  t.equal((await current()).folders.length, 1, 'a replica that stops takes its folder along')
})

t.test('a folder that went back while the control plane was killed is followed at once', async (t) => {
  const own = folderFor(t)
  const write = (limit: string): void => writePolicies(own, { 'a.yaml': budgetYaml({ name: 'a', limit }) })
  write('1.00')
  const env = { CONTROL_PLANE_POLICY_DIR: own }
  const first = await controlPlaneFor(t, { env })
  const revisions = async (url: string) =>
    (
      await askApi<{ readonly revisions: readonly { readonly revision: string }[] }>(
        `${url}/api/v1/policies/revisions`,
        first.adminKey,
      )
    ).body.revisions
  write('2.00')
  await until('the edit is in force', async () => ((await revisions(first.url)).length === 2 ? true : null))
  await first.kill()
  write('1.00')
  const second = await controlPlaneFor(t, { dataDir: first.dataDir, env })
  const [newest, , oldest] = await revisions(second.url)
  t.ok(newest)
  t.equal(newest?.revision, oldest?.revision)
})
