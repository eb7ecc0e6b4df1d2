import fc from 'fast-check'
import t from 'tap'
import { isDenial } from '../exchange.ts'
import { anthropicMessages } from '../providers/anthropic/messages.ts'
import { replaceSegments } from '../providers/replace-segments.ts'

/** Every name that the format reads, so that its values are of the wrong type where it matters. */
const NAMES = [
  'model',
  'messages',
  'system',
  'tools',
  'mcp_servers',
  'role',
  'content',
  'type',
  'text',
  'thinking',
  'signature',
  'source',
  'data',
  'url',
  'citations',
  'enabled',
  'file_id',
  'input',
  'max_tokens',
  'max_uses',
  'budget_tokens',
  'output_config',
  'format',
  'context_management',
  'edits',
  'thread',
  'usage',
  'input_tokens',
  'output_tokens',
  'cache_creation',
  'iterations',
  'server_tool_use',
  'message',
  'delta',
  'content_block',
  'index',
  'partial_json',
  'stop_reason',
  'speed',
  'inference_geo',
  'definition',
  'authorization_token',
  '__proto__',
]
const KINDS = [
  'text',
  'image',
  'document',
  'tool_use',
  'tool_result',
  'thinking',
  'base64',
  'tool_definition',
  'enabled',
  'compaction',
]
const EVENTS = [
  'message_start',
  'message_delta',
  'content_block_start',
  'content_block_delta',
  'compaction_delta',
  'error',
]

const { hostile } = fc.letrec((tie) => ({
  hostile: fc.oneof(
    { maxDepth: 6 },
    fc.constantFrom(null, true, 0, -1, 1.5, 1e300, '', 'claude-sonnet-5', ...KINDS, ...EVENTS),
    fc.string(),
    fc.array(tie('hostile'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...NAMES), tie('hostile'), { maxKeys: 6 }),
  ),
}))
const object = fc.dictionary(fc.constantFrom(...NAMES), hostile, { maxKeys: 8 })
const runs = { numRuns: 2_000 }

t.test('a request of any shape is read, bounded and limited without an error', async (t) => {
  fc.assert(
    fc.property(fc.oneof(object, hostile, fc.jsonValue()), (value) => {
      const json: unknown = JSON.parse(JSON.stringify(value))
      const request = anthropicMessages.parse(json, { model: null, stream: false })
      if (isDenial(request)) return
      const body = Buffer.from(JSON.stringify(json))
      const bound = anthropicMessages.bound(request, body.length)
      if (bound.kind === 'bounded' && bound.inputTokensMax < 0) throw new Error('a bound below nothing')
      anthropicMessages.outputIsVisible(request.model, request)
      JSON.parse(anthropicMessages.limitOutput(body, request, 2_000).toString())
    }),
    runs,
  )
  t.pass()
})

t.test('each text of a request or an answer stands where it says, and can be put back there', async (t) => {
  let segmentsSeen = 0
  fc.assert(
    fc.property(object, (value) => {
      const json: unknown = JSON.parse(JSON.stringify({ ...value, model: 'm' }))
      const request = anthropicMessages.parse(json, { model: null, stream: false })
      if (isDenial(request)) return
      const body = Buffer.from(JSON.stringify(json))
      for (const segments of [anthropicMessages.segments(request), anthropicMessages.answerSegments(json)]) {
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
})

t.test('an answer of any shape is read without an error, plain and streamed', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(object, hostile), { maxLength: 6 }), (values) => {
      const request = { model: 'm', stream: true, json: {} }
      const reader = anthropicMessages.openStream(request)
      for (const value of values) {
        const text = JSON.stringify(value)
        const json: unknown = JSON.parse(text)
        anthropicMessages.readAnswer(json, request)
        anthropicMessages.answerSegments(json)
        for (const piece of reader.read(text)?.pieces ?? []) {
          let found = json
          for (const step of piece.path) found = Reflect.get(Object(found), step)
          if (found !== piece.text) throw new Error(`${piece.path} is not ${piece.text}`)
        }
        reader.facts()
      }
      reader.read('{"type":')
    }),
    runs,
  )
  t.pass()
})
