import type { UsageEvent } from '@agentcostcontrol/contract'
import t from 'tap'
import { askApi, controlPlaneFor, enrol, sendEvents } from '../../test/support/control-plane.ts'
import type { Sums } from '../usage/read-repository.ts'
import type { LogPage } from '../usage/read-service.ts'
import { attempt, batchOf, INSTANCE, usageEvent } from './support/events.ts'

const plane = await controlPlaneFor(t)
const key = plane.adminKey ?? ''
const credential = await enrol(plane.url, key, INSTANCE)

const get = <Body>(path: string) => askApi<Body>(`${plane.url}/api/v1${path}`, key)

/** One of the events below. */
const made = (
  intentAt: string,
  agent: string,
  model: string,
  nano: string,
  over: Partial<UsageEvent> = {},
): UsageEvent =>
  usageEvent({
    intentAt,
    principal: { agent, workflow: `${agent}-flow`, session: null, task: null, tags: {} },
    attempts: [attempt({ requestedModel: model, costNanoUsd: nano, chargedNanoUsd: nano })],
    ...over,
  })

const EVENTS: readonly UsageEvent[] = [
  made('2026-11-20T23:59:59.999Z', 'a', 'small', '1'),
  made('2026-11-21T00:00:00.000Z', 'a', 'large', '1000000000000'),
  made('2026-11-21T00:00:00.001Z', 'b', 'small', '20'),
  made('2026-11-21T13:30:30.000Z', 'b', 'small', '300'),
  made('2026-11-21T13:31:00.000Z', 'b', 'unknown', '4000', {
    attempts: [
      attempt({ requestedModel: 'unknown', costNanoUsd: null, chargedNanoUsd: '4000', precision: 'estimated' }),
    ],
  }),
  made('2026-11-22T00:00:00.000Z', 'c', 'small', '0', { attempts: [], outcome: 'denied', code: 'acc_budget_exceeded' }),
]
t.match(await sendEvents(plane.url, credential, batchOf(EVENTS)), { status: 200, body: { stored: EVENTS.length } })

t.test('a summary is exact to the nano, for any span of whole minutes', async (t) => {
  t.match(await get('/usage/summary'), {
    body: {
      requests: 6,
      denied: 1,
      unpriced: 1,
      inputTokens: 5 * 333,
      costNanoUsd: '1000000004321',
      chargedNanoUsd: '1000000004321',
      estimatedNanoUsd: '4000',
    },
  })
  const cases: readonly (readonly [from: string, to: string, cost: string])[] = [
    ['2026-11-21T00:00:00Z', '2026-11-22T00:00:00Z', '1000000004320'],
    ['2026-11-21T13:00:00Z', '2026-11-21T14:00:00Z', '4300'],
    ['2026-11-21T13:31:00Z', '2026-11-21T13:32:00Z', '4000'],
    ['2026-11-21T00:01:00Z', '2026-11-21T13:31:00Z', '300'],
    ['2027-01-01T00:00:00Z', '2027-01-02T00:00:00Z', '0'],
  ]
  for (const [from, to, cost] of cases)
    t.match(await get(`/usage/summary?from=${from}&to=${to}`), { body: { costNanoUsd: cost } }, `${from} to ${to}`)
})

t.test('by model, by agent and by workflow: the dearest first, and together they are the summary', async (t) => {
  const rows = async (path: string) =>
    (await get<{ readonly rows: readonly (Sums & { readonly key: string })[] }>(path)).body.rows
  t.match(await rows('/usage/models'), [
    { key: 'large', requests: 1, costNanoUsd: '1000000000000' },
    { key: 'unknown', unpriced: 1, costNanoUsd: '4000' },
    { key: 'small', requests: 3, costNanoUsd: '321' },
    { key: '', requests: 1, denied: 1, costNanoUsd: '0' },
  ])
  t.match(await rows('/usage/agents?from=2026-11-21T00:00:00Z'), [
    { key: 'a', costNanoUsd: '1000000000000' },
    { key: 'b', costNanoUsd: '4320' },
    { key: 'c', denied: 1 },
  ])
  t.match(await rows('/usage/workflows?limit=1'), [{ key: 'a-flow', requests: 2 }])
  for (const by of ['models', 'agents', 'workflows']) {
    const sum = (await rows(`/usage/${by}`)).reduce((total, { costNanoUsd }) => total + BigInt(costNanoUsd), 0n)
    t.equal(sum, 1_000_000_004_321n, by)
  }
})

t.test('a series by day, hour and minute has an entry for each bucket with an event, oldest first', async (t) => {
  const series = async (query: string) =>
    (await get<{ readonly buckets: readonly (Sums & { readonly at: string })[] }>(`/usage/series?${query}`)).body
      .buckets
  t.same(
    (await series('bucket=day')).map(({ at, costNanoUsd }) => [at, costNanoUsd]),
    [
      ['2026-11-20T00:00:00.000Z', '1'],
      ['2026-11-21T00:00:00.000Z', '1000000004320'],
      ['2026-11-22T00:00:00.000Z', '0'],
    ],
  )
  t.same(
    (await series('bucket=hour&from=2026-11-21T01:00:00Z')).map(({ at }) => at.slice(0, 13)),
    ['2026-11-21T13', '2026-11-22T00'],
  )
  t.equal((await series('bucket=minute')).length, 5)
})

t.test('the request log pages through every event once, newest first, also while new ones arrive', async (t) => {
  const seen: string[] = []
  let cursor: string | null = null
  do {
    const page: LogPage = (await get<LogPage>(`/requests?limit=2${cursor === null ? '' : `&cursor=${cursor}`}`)).body
    seen.push(...page.requests.map(({ intentAt }) => intentAt))
    cursor = page.nextCursor
    await sendEvents(plane.url, credential, batchOf([made('2026-11-23T00:00:00.000Z', 'new', 'small', '1')]))
  } while (cursor !== null)
  t.same(seen, EVENTS.map(({ intentAt }) => intentAt).reverse())
})

t.test(
  'a row of the request log tells what was decided and what each attempt cost, and can be searched for',
  async (t) => {
    const { requests } = (await get<LogPage>('/requests?agent=b&model=unknown')).body
    t.match(requests, [
      {
        eventId: EVENTS[4]?.eventId,
        policyRevision: 'abc',
        charges: [{ budgetUid: 'Budget/ample', nanoUsd: '24975' }],
        attempts: [
          { costNanoUsd: null, chargedNanoUsd: '4000', rateCardVersion: '2026-11-10.1', precision: 'estimated' },
        ],
      },
    ])
    t.match((await get<LogPage>('/requests?outcome=denied')).body.requests, [
      { code: 'acc_budget_exceeded', attempts: [] },
    ])
    t.same((await get<LogPage>(`/requests?agent=${encodeURIComponent("' OR 1=1 --")}`)).body.requests, [])
  },
)

t.test('what makes no sense is refused with the reason', async (t) => {
  const bad: readonly (readonly [string, RegExp])[] = [
    ['/usage/summary?from=yesterday', /from/],
    ['/usage/summary?from=2026-11-21T00:00:30Z', /whole minutes/],
    ['/usage/series?bucket=day&from=2026-11-21T01:00:00Z', /whole days/],
    ['/usage/models?limit=0', /limit/],
    ['/usage/summary?form=2026-11-21T00:00:00Z', /form/],
    ['/requests?cursor=abc', /cursor/],
    ['/requests?limit=1000', /limit/],
  ]
  for (const [path, detail] of bad)
    t.match(await get(path), { status: 400, body: { code: 'acc_api_invalid', detail } }, path)
})
