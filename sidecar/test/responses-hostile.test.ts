import fc from 'fast-check'
import t from 'tap'
import { isDenial } from '../exchange.ts'
import { openaiResponses } from '../providers/openai/responses/responses.ts'
import { replaceSegments } from '../providers/replace-segments.ts'

/** Every name that the format reads, so that its values are of the wrong type where it matters. */
const NAMES = [
  'model',
  'input',
  'instructions',
  'prompt',
  'variables',
  'tools',
  'authorization',
  'environment',
  'execution',
  'previous_response_id',
  'conversation',
  'context_management',
  'background',
  'max_output_tokens',
  'max_tool_calls',
  'service_tier',
  'role',
  'content',
  'type',
  'text',
  'image_url',
  'file_data',
  'summary',
  'encrypted_content',
  'output',
  'outputs',
  'result',
  'arguments',
  'action',
  'status',
  'usage',
  'input_tokens',
  'output_tokens',
  'total_tokens',
  'input_tokens_details',
  'output_tokens_details',
  'cached_tokens',
  'cache_write_tokens',
  'cache_write_tokens_details',
  'ttl_12h_tokens',
  'reasoning_tokens',
  'tool_usage',
  'web_search',
  'num_requests',
  'image_gen',
  'response',
  'item',
  'part',
  'delta',
  'output_index',
  'content_index',
  'sequence_number',
  'id',
  '__proto__',
]
const KINDS = [
  'message',
  'input_text',
  'input_image',
  'input_file',
  'function_call',
  'function_call_output',
  'reasoning',
  'web_search_call',
  'image_generation_call',
  'additional_tools',
  'item_reference',
  'computer_screenshot',
  'function',
  'web_search',
  'mcp',
  'shell',
  'compaction_trigger',
  'response.created',
  'response.output_text.delta',
  'response.output_item.done',
  'response.completed',
  'response.audio.delta',
  'error',
]

const { hostile } = fc.letrec((tie) => ({
  hostile: fc.oneof(
    { maxDepth: 6 },
    fc.constantFrom(null, true, 0, -1, 1.5, 1e300, 7, '', 'gpt-4.1', 'data:image/png;base64,AA', 'queued', ...KINDS),
    fc.string(),
    fc.array(tie('hostile'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...NAMES), tie('hostile'), { maxKeys: 6 }),
  ),
}))
const object = fc.dictionary(fc.constantFrom(...NAMES), hostile, { maxKeys: 8 })
const runs = { numRuns: 2_000 }

const hasText = (value: unknown): boolean =>
  typeof value === 'string'
    ? value !== ''
    : typeof value === 'object' && value !== null && Object.values(value).some(hasText)

t.test('a request of any shape is read, bounded and limited without an error', (t) => {
  fc.assert(
    fc.property(fc.oneof(object, hostile, fc.jsonValue()), (value) => {
      const json: unknown = JSON.parse(JSON.stringify(value))
      const request = openaiResponses.parse(json, { model: null, stream: false })
      if (isDenial(request)) return
      const body = Buffer.from(JSON.stringify(json))
      const bound = openaiResponses.bound(request, body.length)
      if (bound.kind === 'bounded' && !(bound.inputTokensMax >= 0)) throw new Error('a bound below nothing')
      const seen = openaiResponses.outputIsVisible(request.model, request)
      const later = openaiResponses.outputIsVisible(request.model, openaiResponses.remember(request))
      if (seen !== later) throw new Error('what is remembered says something else')
      JSON.parse(openaiResponses.limitOutput(body, request, 2_000).toString())
    }),
    runs,
  )
  t.pass()
  t.end()
})

t.test('each text of a request or an answer stands where it says, and can be put back there', (t) => {
  let segmentsSeen = 0
  fc.assert(
    fc.property(object, (value) => {
      const json: unknown = JSON.parse(JSON.stringify({ ...value, model: 'm' }))
      const request = openaiResponses.parse(json, { model: null, stream: false })
      if (isDenial(request)) return
      const body = Buffer.from(JSON.stringify(json))
      for (const segments of [openaiResponses.segments(request), openaiResponses.answerSegments(json)]) {
        segmentsSeen += segments.length
        const same = replaceSegments(
          body,
          segments.map((segment) => ({ segment, text: segment.text })),
        )
        if (!same.equals(body)) throw new Error(`${same} is not ${body}`)
      }
    }),
    runs,
  )
  t.ok(segmentsSeen > 1_000, `${segmentsSeen} texts`)
  t.end()
})

t.test('an answer of any shape is read without an error, plain and streamed', (t) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(object, hostile), { maxLength: 6 }), (values) => {
      const request = { model: 'm', stream: true, json: {} }
      const reader = openaiResponses.openStream(request)
      for (const value of values) {
        const text = JSON.stringify(value)
        const json: unknown = JSON.parse(text)
        openaiResponses.readAnswer(json, request)
        openaiResponses.answerSegments(json)
        for (const piece of reader.read(text)?.pieces ?? []) {
          let found = json
          for (const step of piece.path) found = Reflect.get(Object(found), step)
          if (found !== piece.text) throw new Error(`${piece.path} is not ${piece.text}`)
        }
        reader.facts()
        if (!(reader.outputBytes() >= 0)) throw new Error('less than nothing')
      }
      reader.read('{"type":')
    }),
    runs,
  )
  t.pass()
  t.end()
})

t.test('what is told whole is judged whole: no text of an answer is read in a stream and not in a plain one', (t) => {
  fc.assert(
    fc.property(fc.array(object, { maxLength: 4 }), (output) => {
      const json: unknown = JSON.parse(JSON.stringify({ status: 'completed', output }))
      const reader = openaiResponses.openStream({ model: 'm', stream: true, json: {} })
      const event = reader.read(JSON.stringify({ type: 'response.completed', response: json }))
      const streamed = (event?.pieces ?? []).map(({ path }) => path.slice(1).join('.'))
      for (const { path } of openaiResponses.answerSegments(json)) {
        const at = path.join('.')
        if (!streamed.some((each) => each === at || each.startsWith(`${at}.`))) {
          let found = json
          for (const step of path) found = Reflect.get(Object(found), step)
          if (hasText(found)) throw new Error(`${at} is not read in a stream`)
        }
      }
    }),
    { numRuns: 500 },
  )
  t.pass()
  t.end()
})
