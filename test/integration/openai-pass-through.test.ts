import { toFile } from 'openai'
import t from 'tap'
import { openaiAt } from '../support/sdk.ts'
import { told } from '../support/sdk-errors.ts'
import { providerYaml } from '../support/sidecar.ts'
import { chargedOf, eventsOf, twinsFor } from '../support/twins.ts'

const PICTURE = { model: 'gpt-image-1', prompt: 'a picture of a bill' } as const
const edited = async () => ({ ...PICTURE, image: await toFile(Buffer.alloc(1_000, 7), 'a.png', { type: 'image/png' }) })

t.test('moderations cost nothing: they pass as they are, and are counted', async (t) => {
  const twins = await twinsFor(t)
  const [direct, through] = await Promise.all(
    [`${twins.direct.url}/v1`, `${twins.sidecar.url}/openai/v1`].map((url) =>
      openaiAt(url, 'moderation').moderations.create({ model: 'omni-moderation-latest', input: ['a', 'b'] }),
    ),
  )
  t.strictSame(through, direct)
  const [event] = await eventsOf(twins.sidecar, 'moderation', 1)
  t.match(event, { operation: 'moderations', outcome: 'completed', attempts: [{ precision: 'none' }] })
  t.equal(chargedOf(event ? [event] : []), 0n)
  t.equal(await twins.sidecar.metric('acc_requests_total', { operation: 'moderations' }), 1)
})

t.test('moderations are refused where the policy lets nothing without a price pass', async (t) => {
  const twins = await twinsFor(t, { policies: { 'openai.yaml': providerYaml({ onUnpricedEndpoint: 'deny' }) } })
  const error = await openaiAt(`${twins.sidecar.url}/v1`, 'denied')
    .moderations.create({ input: 'a' })
    .catch((thrown: unknown) => told(thrown))
  t.match(error, { class: 'PermissionDeniedError', code: 'acc_endpoint_denied', message: /onUnpricedEndpoint/ })
  t.equal(twins.behind.requests().length, 0)
})

t.test('pictures cost what nobody here prices: they are refused', async (t) => {
  const twins = await twinsFor(t)
  const client = openaiAt(`${twins.sidecar.url}/openai/v1`, 'picture')
  for (const error of [
    await client.images.generate(PICTURE).catch(told),
    await client.images.edit(await edited()).catch(told),
  ])
    t.match(error, { class: 'PermissionDeniedError', code: 'acc_endpoint_denied', message: /onUnbounded/ })
  t.equal(twins.behind.requests().length, 0, 'and nothing is sent')
  const events = await eventsOf(twins.sidecar, 'picture', 2)
  t.match(events, [
    { operation: 'images', outcome: 'denied', attempts: [] },
    { operation: 'images', outcome: 'denied', attempts: [] },
  ])
})

t.test('or pass as they are where the policy says so, with a cost that nobody knows and not of nothing', async (t) => {
  const twins = await twinsFor(t, { policies: { 'openai.yaml': providerYaml({ onUnbounded: 'allowCounted' }) } })
  const { direct, sidecar } = twins
  const [alone, through] = await Promise.all(
    [`${direct.url}/v1`, `${sidecar.url}/openai/v1`].map(async (url) => {
      const client = openaiAt(url, 'passed')
      const made = [await client.images.generate({ ...PICTURE, n: 2 }), await client.images.edit(await edited())]
      return made.map(({ data, usage }) => ({ data, usage }))
    }),
  )
  t.strictSame(through, alone)
  t.match(through, [{ data: [{ b64_json: String }, {}], usage: { total_tokens: 322 } }, {}])
  const events = await eventsOf(sidecar, 'passed', 2)
  for (const event of events)
    t.match(event, { operation: 'images', outcome: 'completed', attempts: [{ precision: 'none', costNanoUsd: null }] })
  t.equal(await sidecar.metric('acc_unpriced_requests_total', { operation: 'images' }), 2)
})
