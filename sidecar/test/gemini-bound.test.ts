import t from 'tap'
import { embedBound, requestBound } from '../providers/gemini/bound.ts'
import { limitOutput, outputLimit } from '../providers/gemini/config.ts'
import type { MeteredRequest } from '../providers/provider.ts'

const request = (json: Record<string, unknown>, model = 'gemini-2.5-flash'): MeteredRequest => ({
  model,
  stream: false,
  json,
})
const bytesOf = (json: unknown): number => Buffer.byteLength(JSON.stringify(json))
const bound = (json: Record<string, unknown>, model?: string) => requestBound(request(json, model), bytesOf(json))
const part = (one: object) => ({ contents: [{ role: 'user', parts: [one] }] })
const limited = (json: Record<string, unknown>, tokens = 7): unknown =>
  JSON.parse(limitOutput(Buffer.from(JSON.stringify(json)), request(json), tokens).toString())

t.test('the output limit is read in both spellings, also as text; of two the larger counts', async (t) => {
  for (const [json, limit] of [
    [{ generationConfig: { maxOutputTokens: 10 } }, 10],
    [{ generation_config: { max_output_tokens: '10' } }, 10],
    [{ generationConfig: { maxOutputTokens: 10, max_output_tokens: 30 } }, 30],
    [{ generationConfig: { maxOutputTokens: 10 }, generation_config: { max_output_tokens: 20 } }, 20],
    [{ generationConfig: { maxOutputTokens: 10 }, generation_config: {} }, null],
    [{ generationConfig: { maxOutputTokens: 0 } }, null],
    [{ generationConfig: { maxOutputTokens: null } }, null],
    [{ generationConfig: null }, null],
    [{}, null],
  ] as const)
    t.equal(outputLimit(json), limit, JSON.stringify(json))
})

t.test('the output limit is written in every spelling that stands, else in the documented one', async (t) => {
  for (const [json, becomes] of [
    [{}, { generationConfig: { maxOutputTokens: 7 } }],
    [{ generationConfig: {} }, { generationConfig: { maxOutputTokens: 7 } }],
    [{ generationConfig: { topK: 1 } }, { generationConfig: { topK: 1, maxOutputTokens: 7 } }],
    [{ generation_config: { max_output_tokens: '90' } }, { generation_config: { max_output_tokens: 7 } }],
    [{ generation_config: { top_k: 1 } }, { generation_config: { top_k: 1, maxOutputTokens: 7 } }],
    [
      { generationConfig: { maxOutputTokens: 90, max_output_tokens: 80 } },
      { generationConfig: { maxOutputTokens: 7, max_output_tokens: 7 } },
    ],
    [
      { generationConfig: { maxOutputTokens: 90 }, generation_config: {} },
      { generationConfig: { maxOutputTokens: 7 }, generation_config: { maxOutputTokens: 7 } },
    ],
    [{ generation_config: null }, { generation_config: { maxOutputTokens: 7 } }],
    [{ generationConfig: { max_output_tokens: null } }, { generationConfig: { max_output_tokens: 7 } }],
    [{ generationConfig: 'none' }, { generationConfig: { maxOutputTokens: 7 } }],
  ] as const)
    t.same(limited(json), becomes, JSON.stringify(json))
})

t.test('every other byte of a body with a lower limit stays as it was', async (t) => {
  const body =
    '{ "contents" : [{"parts":[{"text":"\\u00e9 \\/ é"}]}],\r\n "generationConfig":{"temperature":1.0, "maxOutputTokens" : 9000 } }'
  t.equal(limitOutput(Buffer.from(body), request(JSON.parse(body)), 20).toString(), body.replace('9000', '20'))
})

t.test('the limit counts for each candidate, however their number is written', async (t) => {
  t.match(bound({ generationConfig: { candidateCount: '3', maxOutputTokens: 50 } }), {
    choices: 3,
    outputTokensAsked: 50,
  })
  t.match(bound({ generationConfig: { candidateCount: 2, candidate_count: 5 } }), {
    choices: 5,
    outputTokensAsked: null,
  })
})

t.test('what the sidecar cannot see makes a request unbounded, and says what', async (t) => {
  const video = { fileData: { fileUri: 'https://youtu.be/x' }, videoMetadata: {} }
  for (const [json, reason] of [
    [part(video), 'a file by URI'],
    [part({ file_data: { file_uri: 'gs://a' } }), 'a file by URI'],
    [part({ inlineData: { mimeType: 'audio/wav', data: 'AAAA' } }), 'inline media of another kind than an image'],
    [
      part({ inline_data: { mime_type: 'application/pdf', data: 'AAAA' } }),
      'inline media of another kind than an image',
    ],
    [part({ inlineData: { data: 'AAAA' } }), 'inline media of another kind than an image'],
    [part({ somethingNew: {} }), 'a part of a kind that nobody knows'],
    [part({ functionResponse: { parts: [video] } }), 'a file by URI'],
    [{ contents: part(video).contents[0] }, 'a file by URI'],
    [{ system_instruction: { parts: video } }, 'a file by URI'],
    [{ cachedContent: 'cachedContents/a' }, 'cached content'],
    [{ tools: [{ google_search: {} }] }, 'Google Search'],
    [{ tools: { codeExecution: {} } }, 'code execution'],
  ] as const)
    t.match(bound(json), { kind: 'unbounded', reason }, JSON.stringify(json))
})

t.test(
  'hosted tools are bounded by fee and context where their calls are, and by nothing where they are not',
  async (t) => {
    const tools = (...names: string[]) => ({ tools: names.map((name) => ({ [name]: {} })) })
    t.match(bound(tools('googleSearch')), { hostedToolCallsMax: 1, contextsMax: 2 })
    t.match(bound(tools('googleSearch'), 'gemini-3.5-flash'), { contextsMax: null })
    t.match(bound(tools('googleMaps'), 'gemini-4-argon'), { contextsMax: null })
    t.match(bound(tools('urlContext', 'codeExecution'), 'gemini-3.5-flash'), { hostedToolCallsMax: 0, contextsMax: 2 })
    t.match(bound(tools('mcpServers')), { reason: 'a hosted tool', contextsMax: null })
    t.match(bound({ tools: [{ functionDeclarations: [{ name: 'f' }], googleSearch: null }] }), { kind: 'bounded' })
  },
)

t.test('an inline image is bounded by what a picture may cost, not by the length of its bytes', async (t) => {
  const of = (bytes: number) => bound(part({ inlineData: { mimeType: 'image/png', data: 'A'.repeat(bytes) } }))
  const [small, large] = [of(10), of(5_000_000)]
  t.strictSame(small, large)
  t.ok(small.kind === 'bounded' && small.inputTokensMax > 40_000)
})

t.test(
  'the input bound is never below the bytes of the body, and the tier is standard unless another is asked for',
  async (t) => {
    const json = part({ text: 'é'.repeat(1_000) })
    const it = bound(json)
    t.ok(it.kind === 'bounded' && it.inputTokensMax >= bytesOf(json))
    t.equal(it.serviceTier, 'standard')
    t.equal(bound({ serviceTier: 'priority' }).serviceTier, 'priority')
    t.equal(bound({ serviceTier: 'newest' }).serviceTier, null, 'of one that nobody knows, any')
  },
)

t.test('embeddings have no output, and a batch holds all its texts', async (t) => {
  const json = {
    requests: [{ content: { parts: [{ text: 'a' }] } }, { content: { parts: [{ text: 'b'.repeat(500) }] } }],
  }
  const it = embedBound(request(json), bytesOf(json))
  t.ok(it.kind === 'bounded' && it.inputTokensMax >= bytesOf(json))
  t.equal(it.outputTokensAsked, 0)
  const media = { content: { parts: [{ inlineData: { mimeType: 'video/mp4', data: '' } }] } }
  t.match(embedBound(request(media), bytesOf(media)), { kind: 'unbounded' })
  t.match(embedBound(request({ requests: [media] }), 100), { kind: 'unbounded' })
})
