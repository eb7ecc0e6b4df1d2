import fc from 'fast-check'
import t from 'tap'
import { isDenial } from '../exchange.ts'
import {
  batchEmbedContents,
  embedContent,
  generateContent,
  streamGenerateContent,
} from '../providers/gemini/content.ts'

const path = { model: 'gemini-2.5-flash', stream: true }
const NAMES = [
  'contents',
  'parts',
  'text',
  'inlineData',
  'inline_data',
  'mimeType',
  'data',
  'fileData',
  'functionCall',
  'functionResponse',
  'response',
  'args',
  'tools',
  'functionDeclarations',
  'function_declarations',
  'googleSearch',
  'generationConfig',
  'generation_config',
  'maxOutputTokens',
  'max_output_tokens',
  'candidateCount',
  'systemInstruction',
  'cachedContent',
  'requests',
  'content',
  'candidates',
  'groundingMetadata',
  'webSearchQueries',
  'finishReason',
  'index',
  'usageMetadata',
  'promptTokenCount',
  'promptTokensDetails',
  'modality',
  'promptFeedback',
  'blockReason',
  '__proto__',
  'role',
]
/** JSON of any shape, most of it made of the members that the format has. */
const { json } = fc.letrec((tie) => ({
  json: fc.oneof(
    { maxDepth: 6 },
    fc.oneof(
      fc.string(),
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      fc.constantFrom('user', 'model', '7', 'image/png', 'IMAGE'),
    ),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(
      fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...NAMES) }, { weight: 1, arbitrary: fc.string() }),
      tie('json'),
      {
        maxKeys: 5,
        noNullPrototype: true,
      },
    ),
  ),
}))

t.test('a body of any shape is read, bounded, limited and redacted without an error, and stays JSON', async (t) => {
  fc.assert(
    fc.property(json, (any) => {
      const body = Buffer.from(JSON.stringify(any) ?? 'null')
      for (const adapter of [generateContent, streamGenerateContent, embedContent, batchEmbedContents]) {
        const request = adapter.parse(JSON.parse(body.toString()), path)
        if (isDenial(request)) continue
        const bound = adapter.bound(request, body.length)
        if (bound.kind === 'bounded' && !(bound.inputTokensMax > 0)) throw new Error('a bound of nothing')
        const limited = JSON.parse(adapter.limitOutput(body, request, 5).toString())
        if (
          adapter === generateContent &&
          adapter.bound({ ...request, json: limited }, body.length).outputTokensAsked !== 5
        )
          throw new Error('the limit does not hold')
        const segments = adapter.segments(request)
        const edits = segments
          .filter(({ path: [first] }) => first !== '__proto__')
          .map((segment) => ({ segment, text: '"x"' }))
        JSON.parse(adapter.replaceSegments(body, edits).toString())
        adapter.outputIsVisible(request.model, request)
        adapter.askForUsage(body, request)
      }
    }),
    { numRuns: 2_000 },
  )
  t.pass()
})

t.test('an answer of any shape, plain and streamed, is read without an error', async (t) => {
  const request = { ...path, json: {} }
  fc.assert(
    fc.property(fc.array(json, { maxLength: 3 }), (events) => {
      const stream = streamGenerateContent.openStream(request)
      for (const event of events) {
        const text = JSON.stringify(event) ?? 'null'
        generateContent.readAnswer(JSON.parse(text), request)
        generateContent.answerSegments(JSON.parse(text))
        stream.read(text)
        stream.read(text.slice(1))
      }
      const { usage, started } = stream.facts()
      for (const figure of Object.values(usage ?? started ?? {}))
        if (!Number.isSafeInteger(figure) || figure < 0) throw new Error(`${figure} is no number of tokens`)
      if (!(stream.outputBytes() >= 0)) throw new Error('no number of bytes')
    }),
    { numRuns: 2_000 },
  )
  t.pass()
})
