import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ModelPrice, RateCard } from '@agentcostcontrol/contract'
import t from 'tap'
import { askApi, controlPlaneFor } from '../../test/support/control-plane.ts'
import { inCheckout } from '../../test/support/paths.ts'
import { folderFor } from '../../test/support/scope.ts'
import { clusterFor } from './support/database.ts'

const seed: RateCard = JSON.parse(readFileSync(inCheckout('seed/rate-card.json'), 'utf8'))
const doubled = (price: ModelPrice): ModelPrice => ({
  ...price,
  rates: { ...price.rates, input: `${BigInt(price.rates.input) * 2n}` },
})

const newDatabase = await clusterFor(t)
const env = { DATABASE_URL: await newDatabase() }
const plane = await controlPlaneFor(t, { env })
const key = plane.adminKey ?? ''
const get = <Body>(path: string, url = plane.url) => askApi<Body>(`${url}/api/v1/prices${path}`, key)

interface Page {
  readonly version: string
  readonly prices: readonly ModelPrice[]
  readonly nextCursor: string | null
}

const cardFile = (card: RateCard): string => {
  const file = join(folderFor(t), 'card.json')
  writeFileSync(file, JSON.stringify(card))
  return file
}

t.test('a rate card pages through every price once, whole or of one list', async (t) => {
  for (const [query, expected] of [
    ['', seed.models],
    ['&provider=openai', seed.models.filter(({ provider }) => provider === 'openai')],
  ] as const) {
    const seen: ModelPrice[] = []
    let cursor: string | null = null
    do {
      const page: Page = (await get<Page>(`?limit=400${query}${cursor === null ? '' : `&cursor=${cursor}`}`)).body
      t.equal(page.version, seed.version)
      seen.push(...page.prices)
      cursor = page.nextCursor
    } while (cursor !== null)
    t.same(seen, expected)
  }
})

t.test('a price is found as a request would find it, at a time, and with its reason', async (t) => {
  t.match(await get('/find?provider=openai&model=gpt-4.1-mini'), {
    status: 200,
    body: {
      found: true,
      version: seed.version,
      foundBy: 'exact',
      list: 'openai',
      price: { rates: { input: '400000' } },
    },
  })
  t.match(await get('/find?provider=openrouter&model=openai/gpt-4.1&at=2026-11-24T00:00:00Z'), {
    body: { found: true, list: 'openai', model: 'gpt-4.1', at: '2026-11-24T00:00:00.000Z' },
  })
  t.match(await get('/find?provider=openai&model=gpt-4.1-minni'), {
    status: 200,
    body: { found: false, reason: 'unknownModel', detail: /no model "gpt-4\.1-minni"/, near: ['gpt-4.1-mini'] },
  })
  t.match(await get('/find?provider=azure&model=prod'), { body: { found: false, reason: 'deployment' } })
})

t.test('a new version is noted beside the old one, and both can be asked', async (t) => {
  const dearer = { ...seed, version: 'test.2', models: seed.models.map(doubled) }
  const CONTROL_PLANE_RATE_CARD = cardFile(dearer)
  const second = await controlPlaneFor(t, { env: { ...env, CONTROL_PLANE_RATE_CARD } })
  t.match(await get('/versions', second.url), {
    body: {
      versions: [
        { version: 'test.2', models: seed.models.length, inForce: true },
        { version: seed.version, models: seed.models.length, inForce: false, contentHash: /^[0-9a-f]{64}$/ },
      ],
    },
  })
  const find = '/find?provider=openai&model=gpt-4.1-mini'
  t.match(await get(find, second.url), { body: { version: 'test.2', price: { rates: { input: '800000' } } } })
  for (const [version, input] of [
    [seed.version, '400000'],
    ['test.2', '800000'],
  ])
    t.match(await get(`${find}&version=${version}`), { body: { version, price: { rates: { input } } } })
})

t.test('the same version with another content ends the start, and says so', async (t) => {
  const edited = { ...seed, models: [...seed.models.map((each, at) => (at === 0 ? doubled(each) : each))] }
  const CONTROL_PLANE_RATE_CARD = cardFile(edited)
  await t.rejects(
    controlPlaneFor(t, { env: { ...env, CONTROL_PLANE_RATE_CARD } }),
    new RegExp(`the rate card ${seed.version} has another content .* give the card a version of its own`),
  )
  await t.rejects(
    controlPlaneFor(t, { env: { ...env, CONTROL_PLANE_RATE_CARD: '/nowhere.json' } }),
    /cannot start: .*\/nowhere\.json/,
  )
})

t.test('what makes no sense is refused with the reason', async (t) => {
  for (const [path, status, detail] of [
    ['?cursor=abc', 400, /cursor/],
    [`?version=test.2&cursor=${Buffer.from(`3 ${seed.version}`).toString('base64url')}`, 400, /another version/],
    ['?version=none', 404, /no rate card/],
    ['/find?provider=openai', 400, /model/],
    ['/find?provider=openai&model=x&at=yesterday', 400, /at/],
    ['/find?provider=openai&model=x&version=none', 404, /versions/],
  ] as const)
    t.match(await get(path), { status, body: { detail } }, path)
})
