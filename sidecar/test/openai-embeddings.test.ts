import fc from 'fast-check'
import t from 'tap'
import { isDenial } from '../exchange.ts'
import { openaiEmbeddings } from '../providers/openai/embeddings.ts'

const PATH = { model: null, stream: false }

function read(json: object) {
  const request = openaiEmbeddings.parse({ model: 'm', ...json }, PATH)
  if (isDenial(request)) throw new Error(request.message)
  const bodyBytes = Buffer.byteLength(JSON.stringify({ model: 'm', ...json }))
  return { segments: openaiEmbeddings.segments(request), bound: openaiEmbeddings.bound(request, bodyBytes), bodyBytes }
}

t.test('tokens are counted one by one, and texts by the bytes of the body', async (t) => {
  for (const [input, tokens] of [
    [[], 0],
    [[1], 1],
    [[1, 2, 3], 3],
    [[[1, 2], [3]], 3],
  ]) {
    t.match(read({ input }).bound, { kind: 'bounded', inputTokensMax: tokens, outputTokensAsked: 0 })
  }
  for (const input of ['one', ['one', 'two'], ['one', [1, 2]]]) {
    const { bound, bodyBytes } = read({ input })
    t.ok(bound.kind === 'bounded' && bound.inputTokensMax >= bodyBytes)
  }
  const { bound, bodyBytes } = read({ input: [1], instruction: 'what a server of its own kind takes' })
  t.ok(bound.kind === 'bounded' && bound.inputTokensMax >= bodyBytes, 'text beside the tokens counts')
})

t.test('what is neither text nor tokens is bounded by nothing in the body', async (t) => {
  for (const json of [{}, { input: null }, { input: {} }, { input: [{ image: 'u' }] }, { input: [['a']] }])
    t.match(read(json).bound, { kind: 'unbounded', reason: 'an input that is neither text nor tokens' })
})

t.test('every text is seen where it stands, and no number is taken for one', async (t) => {
  const texts = (json: object) => read(json).segments.map(({ path, text }) => [path.join('.'), text])
  t.same(texts({ input: 'one', user: 'u', dimensions: 3 }), [
    ['input', 'one'],
    ['user', 'u'],
  ])
  t.same(texts({ input: ['one', [1], '', 'two'] }), [
    ['input.0', 'one'],
    ['input.3', 'two'],
  ])
  t.same(texts({ input: [1, 2] }), [])
  t.same(texts({ input: [{ text: 'hidden' }], messages: [{ content: 'too' }] }), [
    ['input.0', '{"text":"hidden"}'],
    ['messages.0', '{"content":"too"}'],
  ])
})

const NAMES = ['model', 'input', 'user', 'encoding_format', 'dimensions', 'messages', 'usage', 'prompt_tokens', 'data']
const { hostile } = fc.letrec((tie) => ({
  hostile: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(null, true, 0, -1, 1.5, 1e300, '', 'text-embedding-3-small'),
    fc.string(),
    fc.array(tie('hostile'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...NAMES), tie('hostile'), { maxKeys: 6 }),
  ),
}))

t.test('a request or an answer of any shape is read without an error, and each text can be put back', async (t) => {
  let seen = 0
  fc.assert(
    fc.property(hostile, fc.boolean(), (value, named) => {
      const json: unknown = JSON.parse(JSON.stringify(named ? { ...Object(value), model: 'm' } : value))
      const body = Buffer.from(JSON.stringify(json))
      const request = openaiEmbeddings.parse(json, PATH)
      if (isDenial(request)) return
      const bound = openaiEmbeddings.bound(request, body.length)
      if (bound.kind === 'bounded' && !(bound.inputTokensMax >= 0)) throw new Error('a bound below nothing')
      if (!openaiEmbeddings.limitOutput(body, request, 5).equals(body)) throw new Error('there is nothing to limit')
      const segments = openaiEmbeddings.segments(request)
      seen += segments.length
      const edits = segments.map((segment) => ({ segment, text: segment.text }))
      if (!openaiEmbeddings.replaceSegments(body, edits).equals(body)) throw new Error(body.toString())
      openaiEmbeddings.readAnswer(json, request)
      openaiEmbeddings.answerSegments(json)
    }),
    { numRuns: 2_000 },
  )
  t.ok(seen > 1_000, `${seen} texts`)
})
