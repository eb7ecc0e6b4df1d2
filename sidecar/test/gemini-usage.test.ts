import { NO_USAGE } from '@agentcostcontrol/contract'
import t from 'tap'
import { openStream, readAnswer } from '../providers/gemini/stream.ts'
import { readServiceTier, readUsage } from '../providers/gemini/usage.ts'

const request = { model: 'gemini-2.5-flash', stream: true, json: {} }

t.test(
  'thoughts and results of tools stand beside, cached tokens are part of the prompt, each counted once',
  async (t) => {
    t.same(
      readUsage({
        promptTokenCount: 1_000,
        cachedContentTokenCount: 600,
        candidatesTokenCount: 300,
        thoughtsTokenCount: 120,
        toolUsePromptTokenCount: 50,
        totalTokenCount: 1_470,
      }),
      { ...NO_USAGE, inputUncached: 450, cacheRead: 600, outputVisible: 300, outputReasoning: 120 },
    )
  },
)

t.test('the total decides what is inside: thoughts of the candidates, results of tools of the prompt', async (t) => {
  const thoughts = { promptTokenCount: 10, candidatesTokenCount: 100, thoughtsTokenCount: 60, totalTokenCount: 110 }
  t.match(readUsage(thoughts), { inputUncached: 10, outputVisible: 40, outputReasoning: 60 })
  const tools = { promptTokenCount: 60, candidatesTokenCount: 5, toolUsePromptTokenCount: 40, totalTokenCount: 65 }
  t.match(readUsage(tools), { inputUncached: 60, outputVisible: 5 })
})

t.test('what the total counts beyond all figures is output that was not told', async (t) => {
  t.match(readUsage({ promptTokenCount: 10, candidatesTokenCount: 20, totalTokenCount: 130 }), {
    inputUncached: 10,
    outputVisible: 20,
    outputReasoning: 100,
  })
})

t.test('without a total, and with thoughts larger than the candidates, all figures are additions', async (t) => {
  t.match(readUsage({ promptTokenCount: 10, candidatesTokenCount: 20, thoughtsTokenCount: 30 }), {
    inputUncached: 10,
    outputVisible: 20,
    outputReasoning: 30,
  })
})

t.test('more cached than there is of the prompt stands beside it, and is not counted as output', async (t) => {
  t.same(
    readUsage({ promptTokenCount: 10, cachedContentTokenCount: 50, candidatesTokenCount: 1, totalTokenCount: 61 }),
    {
      ...NO_USAGE,
      inputUncached: 10,
      cacheRead: 50,
      outputVisible: 1,
    },
  )
})

t.test('sound and images are told by their kind, the cached part of them left out', async (t) => {
  t.same(
    readUsage({
      promptTokenCount: 500,
      promptTokensDetails: [
        { modality: 'TEXT', tokenCount: 100 },
        { modality: 'AUDIO', tokenCount: 250 },
        { modality: 'IMAGE', tokenCount: 150 },
      ],
      cachedContentTokenCount: 200,
      cacheTokensDetails: [{ modality: 'AUDIO', tokenCount: 200 }],
      candidatesTokenCount: 90,
      candidatesTokensDetails: [
        { modality: 'IMAGE', tokenCount: 60 },
        { modality: 'AUDIO', tokenCount: 20 },
      ],
      totalTokenCount: 590,
    }),
    {
      ...NO_USAGE,
      inputUncached: 100,
      cacheRead: 200,
      audioInput: 50,
      imageInput: 150,
      outputVisible: 10,
      audioOutput: 20,
      imageOutput: 60,
    },
  )
})

t.test(
  'absent is not zero: no usage, a null one and one that makes no sense give nothing; zero is left out of JSON',
  async (t) => {
    for (const raw of [
      null,
      undefined,
      {},
      [],
      'x',
      { totalTokenCount: 5 },
      { promptTokenCount: null },
      { promptTokenCount: -1 },
      { promptTokenCount: 1.5 },
      { promptTokenCount: '3' },
      { promptTokenCount: 3, thoughtsTokenCount: -1 },
      { promptTokenCount: 3, totalTokenCount: 'many' },
    ])
      t.equal(readUsage(raw), null, JSON.stringify(raw))
    t.match(readUsage({ promptTokenCount: 7, totalTokenCount: 7 }), { inputUncached: 7, outputVisible: 0 })
  },
)

const event = (candidates: number, more: object = {}): string =>
  JSON.stringify({
    candidates: [{ index: 0, content: { parts: [{ text: 'word ' }] }, ...more }],
    usageMetadata: { promptTokenCount: 8, candidatesTokenCount: candidates, totalTokenCount: 8 + candidates },
    modelVersion: 'gemini-2.5-flash',
    responseId: 'r',
  })

t.test(
  'usage in every event is cumulative: the last one counts, and only once every candidate has ended',
  async (t) => {
    const stream = openStream(request)
    stream.read(event(1))
    stream.read(event(5))
    t.match(
      stream.facts(),
      { usage: null, started: { inputUncached: 8, outputVisible: 5 } },
      'half of a stream is no usage',
    )
    t.notOk(stream.ended())
    stream.read(event(9, { finishReason: 'STOP' }))
    t.match(stream.facts(), { usage: { inputUncached: 8, outputVisible: 9 }, responseId: 'r' })
    t.equal(stream.facts().started, undefined)
    t.ok(stream.ended())
  },
)

t.test('of several candidates the last one to end ends the stream', async (t) => {
  const stream = openStream({ ...request, json: { generation_config: { candidate_count: '2' } } })
  stream.read(event(9, { finishReason: 'STOP' }))
  t.equal(stream.facts().usage, null)
  stream.read(event(18, { index: 1, finishReason: 'MAX_TOKENS' }))
  t.equal(stream.facts().usage?.outputVisible, 18)
})

t.test('a refused prompt ends its stream, and costs its input', async (t) => {
  const stream = openStream(request)
  stream.read(
    JSON.stringify({
      promptFeedback: { blockReason: 'SAFETY' },
      usageMetadata: { promptTokenCount: 8, totalTokenCount: 8 },
    }),
  )
  t.ok(stream.ended())
  t.same(stream.facts().usage, { ...NO_USAGE, inputUncached: 8 })
})

t.test(
  'grounding costs a call a request up to Gemini 2.5, and since then one for each query that is not empty or told twice',
  async (t) => {
    const answer = (modelVersion: string) => ({
      modelVersion,
      candidates: [
        { groundingMetadata: { webSearchQueries: ['a', '', 'b', 'a'] } },
        { groundingMetadata: { webSearchQueries: ['b', 'c'] } },
      ],
      usageMetadata: { promptTokenCount: 1 },
    })
    for (const [model, calls] of [
      ['gemini-2.0-flash-001', 1],
      ['models/gemini-2.5-pro', 1],
      ['gemini-3.5-flash', 3],
      ['gemini-next', 3],
    ] as const)
      t.equal(readAnswer(answer(model), request).usage?.hostedToolCalls, calls, model)
    const maps = {
      ...answer('gemini-3.5-flash'),
      candidates: [{ groundingMetadata: { groundingChunks: [{ maps: { uri: 'u' } }] } }],
    }
    t.equal(readAnswer(maps, request).usage?.hostedToolCalls, 1)
    const pages = { ...maps, candidates: [{ groundingMetadata: { groundingChunks: [{ web: { uri: 'u' } }] } }] }
    t.equal(readAnswer(pages, request).usage?.hostedToolCalls, 0, 'pages by URL cost no call')
  },
)

t.test(
  'the service tier is the one that served; of an answer that does not say, the dearer of asked and standard',
  async (t) => {
    const answer = (serviceTier?: string) => ({
      usageMetadata: { promptTokenCount: 1, ...(serviceTier ? { serviceTier } : {}) },
    })
    const asked = (serviceTier: string) => ({ ...request, json: { service_tier: serviceTier } })
    t.equal(readAnswer(answer('standard'), asked('priority')).serviceTier, 'standard')
    t.equal(readAnswer(answer(), asked('priority')).serviceTier, 'priority')
    t.equal(readAnswer(answer(), asked('flex')).serviceTier, null)
    t.same(['flex', 'SERVICE_TIER_PRIORITY', 'UNSPECIFIED', 'other', 3].map(readServiceTier), [
      'flex',
      'priority',
      'standard',
      null,
      null,
    ])
  },
)
