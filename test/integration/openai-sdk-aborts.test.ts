import { once } from 'node:events'
import { request } from 'node:http'
import type OpenAI from 'openai'
import type { ChatCompletionChunk, ChatCompletionCreateParamsStreaming } from 'openai/resources'
import type { Stream } from 'openai/streaming'
import t, { type Test } from 'tap'
import { openaiAt } from '../support/sdk.ts'
import { providerYaml } from '../support/sidecar.ts'
import { chargedOf, eventsOf, type Twins, tagged, twinsFor } from '../support/twins.ts'
import { until } from '../support/until.ts'

type Asked = Partial<ChatCompletionCreateParamsStreaming>

const ASK = {
  model: 'gpt-4.1-mini',
  messages: [{ role: 'user' as const, content: 'Count to a hundred.' }],
  max_completion_tokens: 4_000,
  stream: true as const,
}
/** A stream that would run for seconds if nobody ended it. */
const SLOWLY = { 'x-sim-output-tokens': '3000', 'x-sim-chunk-delay-ms': '1' }
/** Enough output that leaving it out of the charge would show beside the bound of the input. */
const CHUNKS_READ = 150

const open = (client: OpenAI, asked: Asked = {}): Promise<Stream<ChatCompletionChunk>> =>
  client.chat.completions.create({ ...ASK, ...asked, stream: true })

/** The class of error that a promise is rejected with. */
const classOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'nothing',
    (error: unknown) => (error instanceof Error ? error.constructor.name : String(error)),
  )

/** Reads some chunks, then leaves in its own way. */
type Leaving = (client: OpenAI, asked: Asked) => Promise<void>

const BREAKING: Leaving = async (client, asked) => {
  let left = CHUNKS_READ
  for await (const _ of await open(client, asked)) if (--left === 0) break
}
const ABORTING: Leaving = async (client, asked) => {
  const stream = await open(client, asked)
  let left = CHUNKS_READ
  for await (const _ of stream) if (--left === 0) stream.controller.abort()
}

/** The client's line in the provider's bill, once the provider has noticed the end. */
const endedBill = ({ behind }: Twins, tag: string) =>
  until(`the end of ${tag} at the provider`, () => {
    const entry = behind.bill.entries().find((each) => each.tag === tag)
    return entry && entry.ended !== 'open' ? entry : null
  })

/** Holds that an exchange that its client left is told as such, and charged, and never below the bill. */
async function chargedAsAborted(t: Test, twins: Twins, tag: string): Promise<void> {
  const [[event], entry] = await Promise.all([eventsOf(twins.sidecar, tag, 1), endedBill(twins, tag)])
  t.match(event, { outcome: 'aborted', clientStatus: null, attempts: [{ precision: 'estimated' }] })
  t.equal(entry.ended, 'aborted', 'the call was ended at the provider')
  const charged = chargedOf(event ? [event] : [])
  t.ok(charged > 0n)
  t.ok(charged * 1_000n >= BigInt(entry.costPicoUsd ?? 0), `${charged} nano cover ${entry.costPicoUsd} pico`)
}

t.test(
  'a stream that its client leaves is ended at the provider, and charged at least what the provider bills',
  async (t) => {
    const twins = await twinsFor(t)
    const at = (tag: string, headers = {}): OpenAI =>
      openaiAt(`${twins.sidecar.url}/openai/v1`, tag, { headers: { ...SLOWLY, ...headers } })

    const cases: readonly (readonly [name: string, leave: Leaving, asked: Asked, headers?: object])[] = [
      ['break', BREAKING, {}],
      ['break with usage asked for', BREAKING, { stream_options: { include_usage: true } }],
      ['abort', ABORTING, {}],
      ['abort of several choices', ABORTING, { n: 3 }],
      ['abort of a compressed stream', ABORTING, {}, { 'x-sim-encoding': 'gzip' }],
      ['abort of hidden reasoning', ABORTING, { model: 'gpt-5-mini' }],
      ['abort of a refusal', ABORTING, {}, { 'x-sim-fault': 'refusal' }],
      [
        'abort of a spoken answer',
        ABORTING,
        { model: 'gpt-4o', modalities: ['text', 'audio'], audio: { voice: 'alloy', format: 'pcm16' } },
      ],
      [
        'the helper’s abort',
        async (client, asked) => {
          const stream = client.chat.completions.stream({ ...ASK, ...asked, stream: true })
          stream.once('content', () => stream.abort())
          t.equal(await classOf(stream.done()), 'APIUserAbortError')
        },
        {},
      ],
      [
        'abort while a tool is called',
        ABORTING,
        { tools: [{ type: 'custom', custom: { name: 'query' } }] },
        { 'x-sim-tool-call': 'select '.repeat(200) },
      ],
    ]
    for (const [name, leave, asked, headers] of cases) {
      await t.test(name, async (t) => {
        const tag = encodeURIComponent(name)
        await leave(at(tag, headers), asked)
        await chargedAsAborted(t, twins, tag)
      })
    }

    await t.test('leaving behind the last word, before the usage report, is not free', async (t) => {
      const client = at('last-word', { 'x-sim-output-tokens': '10', 'x-sim-chunk-delay-ms': '30' })
      for await (const { choices } of await open(client)) if (choices[0]?.finish_reason) break
      const [[event], entry] = await Promise.all([
        eventsOf(twins.sidecar, 'last-word', 1),
        endedBill(twins, 'last-word'),
      ])
      t.match(event?.attempts, [{ precision: /exact|estimated/ }])
      t.ok(chargedOf(event ? [event] : []) * 1_000n >= BigInt(entry.costPicoUsd ?? 0))
    })

    await t.test('leaving before an answer is charged at the bound, since the provider may bill it', async (t) => {
      const leaving = new AbortController()
      const client = at('no-answer', { 'x-sim-fault': 'hang' })
      const answer = client.chat.completions.create({ ...ASK, stream: false }, { signal: leaving.signal })
      await until('the request at the provider', () =>
        twins.behind.requests().at(-1)?.rawHeaders.includes('no-answer') ? true : null,
      )
      leaving.abort()
      t.equal(await classOf(answer), 'APIUserAbortError')
      const [event] = await eventsOf(twins.sidecar, 'no-answer', 1)
      t.match(event, { outcome: 'aborted', attempts: [{ precision: 'estimated', status: null }] })
      t.equal(chargedOf(event ? [event] : []), BigInt(event?.attempts[0]?.boundNanoUsd ?? 0))
    })

    await t.test('so is the SDK’s own time-out', async (t) => {
      const client = openaiAt(`${twins.sidecar.url}/v1`, 'time-out', {
        timeout: 200,
        headers: { 'x-sim-fault': 'hang' },
      })
      t.equal(await classOf(client.chat.completions.create({ ...ASK, stream: false })), 'APIConnectionTimeoutError')
      const [event] = await eventsOf(twins.sidecar, 'time-out', 1)
      t.match(event, { outcome: 'aborted' })
      t.equal(chargedOf(event ? [event] : []), BigInt(event?.attempts[0]?.boundNanoUsd ?? 0))
    })
  },
)

t.test('where the policy drains, what the client left is read to its end, and the bill is exact', async (t) => {
  const twins = await twinsFor(t, { policies: { 'provider.yaml': providerYaml({ onClientAbort: 'drain' }) } })
  async function exactly(t: Test, tag: string): Promise<void> {
    const entry = await endedBill(twins, tag)
    const [event] = await eventsOf(twins.sidecar, tag, 1)
    t.equal(entry.ended, 'completed', 'the provider was let finish')
    t.match(event, { attempts: [{ precision: 'exact' }] })
    t.equal(event?.attempts[0]?.costNanoUsd, ((BigInt(entry.costPicoUsd ?? 0) + 999n) / 1_000n).toString())
  }

  await t.test('a client that breaks off', async (t) => {
    const headers = { 'x-sim-output-tokens': '400', 'x-sim-chunk-delay-ms': '1' }
    await BREAKING(openaiAt(`${twins.sidecar.url}/openai/v1`, 'drained', { headers }), {})
    await exactly(t, 'drained')
  })

  for (const encoding of ['', 'gzip']) {
    await t.test(`a client that had stopped reading ${encoding}`, async (t) => {
      const tag = `stuck${encoding}`
      const headers = {
        authorization: 'any',
        'x-sim-encoding': encoding,
        'x-sim-output-tokens': '1500',
        ...tagged(tag),
      }
      const sent = request(`${twins.sidecar.url}/v1/chat/completions`, { method: 'POST', headers })
      sent.end(JSON.stringify({ ...ASK, n: 3, logprobs: true, top_logprobs: 20 }))
      const [response] = await once(sent, 'response')
      response.pause()
      let [before, stillFor] = [0, 0]
      await until('every buffer is full', () => {
        stillFor = response.socket.bytesRead === before ? stillFor + 1 : 0
        before = response.socket.bytesRead
        return stillFor > 20 ? true : null
      })
      sent.destroy()
      await exactly(t, tag)
    })
  }
})
