import t from 'tap'
import { outputIsVisible, requestBound } from '../providers/openai/bound.ts'
import type { MeteredRequest } from '../providers/provider.ts'

const request = (json: Record<string, unknown>): MeteredRequest => ({
  model: 'gpt-4.1',
  stream: false,
  json: { model: 'gpt-4.1', ...json },
})
const bound = (json: Record<string, unknown>) => requestBound(request(json), Buffer.byteLength(JSON.stringify(json)))

t.test('the larger of two output limits counts, times the choices, and a prediction comes on top', async (t) => {
  const prediction = { type: 'content', content: 'abc' }
  const it = bound({ messages: [], max_tokens: 10, max_completion_tokens: 50, n: 3, prediction })
  t.match(it, {
    kind: 'bounded',
    outputTokensAsked: 50,
    choices: 3,
    extraOutputTokens: 3 * JSON.stringify(prediction).length,
  })
})

t.test('what the sidecar cannot see makes a request unbounded, and says what', async (t) => {
  const message = (part: object) => ({ messages: [{ role: 'user', content: [part] }] })
  t.match(bound(message({ type: 'image_url', image_url: { url: 'https://example.com/a.png' } })), {
    kind: 'unbounded',
    reason: 'an image by URL',
  })
  t.match(bound(message({ type: 'file', file: { file_id: 'f' } })), { kind: 'unbounded', reason: 'a file' })
  t.match(bound({ messages: [{ role: 'assistant', audio: { id: 'a' } }] }), { kind: 'unbounded' })
  t.match(bound({ messages: [], web_search_options: {} }), {
    kind: 'unbounded',
    reason: 'web search',
    hostedToolCallsMax: 1,
  })
  t.match(bound(message({ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } })), { kind: 'bounded' })
})

t.test('a model that always searches is unbounded and makes one search, an empty option makes none', async (t) => {
  const json = { messages: [], web_search_options: null }
  for (const model of ['gpt-4o-search-preview', 'gpt-4o-mini-search-preview-2025-03-11', 'gpt-5-search-api']) {
    t.match(requestBound({ model, stream: false, json }, 100), { kind: 'unbounded', hostedToolCallsMax: 1 }, model)
  }
  t.match(bound(json), { kind: 'bounded' })
})

t.test('an inline image is bounded by what a picture may cost, not by the length of its bytes', async (t) => {
  const of = (bytes: number) => {
    const url = `data:image/png;base64,${'A'.repeat(bytes)}`
    return bound({ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] })
  }
  const [small, large] = [of(10), of(5_000_000)]
  t.strictSame(small, large)
  t.ok(small.kind === 'bounded' && small.inputTokensMax > 50_000)
})

t.test('the input bound is never below the bytes of the body', async (t) => {
  const json = { messages: [{ role: 'user', content: 'é'.repeat(1000) }] }
  const it = bound(json)
  t.ok(it.kind === 'bounded' && it.inputTokensMax >= Buffer.byteLength(JSON.stringify(json)))
})

t.test('only families that bill nothing unseen are counted from what was seen', async (t) => {
  for (const model of ['gpt-4.1', 'gpt-4.1-mini', 'gpt-4o-2024-08-06', 'gpt-3.5-turbo', 'ft:gpt-4o:org'])
    t.ok(outputIsVisible(model, request({})), model)
  for (const model of ['o3', 'gpt-5', 'gpt-5.6-mini', 'gpt-4o-audio-preview', 'unknown', 'gpt-40'])
    t.notOk(outputIsVisible(model, request({})), model)
  for (const json of [{ prediction: {} }, { modalities: ['text', 'audio'] }, { web_search_options: {} }])
    t.notOk(outputIsVisible('gpt-4.1', request(json)), JSON.stringify(json))
})
