import type { Segment } from '@agentcostcontrol/contract'
import t from 'tap'
import { anthropicMessages } from '../providers/anthropic/messages.ts'
import { answerSegments, requestSegments } from '../providers/anthropic/segments.ts'
import { openMessageStream } from '../providers/anthropic/stream.ts'
import { replaceSegments } from '../providers/replace-segments.ts'

/** `source path: text`, with a mark on what must not be changed. */
const told = (segments: readonly Segment[]): readonly string[] =>
  segments.map(({ source, path, text, sealed }) => `${sealed ? 'sealed ' : ''}${source} ${path.join('.')}: ${text}`)

const CONVERSATION = {
  model: 'claude-sonnet-5',
  max_tokens: 100,
  service_tier: 'auto',
  system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
  messages: [
    { role: 'user', content: 'Hello' },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
        { type: 'redacted_thinking', data: 'c2VjcmV0' },
        {
          type: 'text',
          text: 'I look.',
          citations: [{ type: 'char_location', cited_text: 'cited', document_index: 0 }],
        },
        { type: 'tool_use', id: 'toolu_1', name: 'look', input: { at: 'it' } },
      ],
    },
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: 'Seen.' }] },
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
        { type: 'image', source: { type: 'url', url: 'https://example.com/a' } },
        { type: 'document', title: 'A', source: { type: 'text', media_type: 'text/plain', data: 'Page.' } },
      ],
    },
    { role: 'system', content: 'Mind this.' },
  ],
  tools: [{ name: 'look', description: 'Looks.', input_schema: { type: 'object' } }],
  mcp_servers: [{ type: 'url', url: 'https://mcp.example', authorization_token: 'credential' }],
  metadata: { user_id: 'u1' },
  stop_sequences: ['end'],
}

t.test('every text of a request has its source, and signed text is sealed', async (t) => {
  t.strictSame(told(requestSegments(CONVERSATION)), [
    'system system.0.text: Be brief.',
    'user messages.0.content: Hello',
    'sealed assistant messages.1.content.0.thinking: Hm.',
    'assistant messages.1.content.2.text: I look.',
    'assistant messages.1.content.2.citations.0.cited_text: cited',
    'tool_call messages.1.content.3.input: {"at":"it"}',
    'tool_result messages.2.content.0.content.0.text: Seen.',
    'user messages.2.content.2.source.url: https://example.com/a',
    'user messages.2.content.3.title: A',
    'user messages.2.content.3.source.data: Page.',
    'system messages.3.content: Mind this.',
    'tool_definition tools.0: {"name":"look","description":"Looks.","input_schema":{"type":"object"}}',
    'tool_definition mcp_servers.0.type: url',
    'tool_definition mcp_servers.0.url: https://mcp.example',
    'user metadata: {"user_id":"u1"}',
    'user stop_sequences: ["end"]',
  ])
})

t.test('text hides in no block of a kind that nobody knows, however deep', async (t) => {
  let value: unknown = { type: 'of tomorrow', words: 'deep' }
  for (let at = 0; at < 40; at++) value = at % 2 === 0 ? [value] : { type: 'nest', inside: value }
  const found = told(requestSegments({ messages: [{ role: 'user', content: value }] }))
  t.match(found.join(), /deep/)
})

t.test('what the provider’s tools found is a tool’s result, and what only it can read is left out', async (t) => {
  const content = [
    { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'prices' } },
    {
      type: 'web_search_tool_result',
      tool_use_id: 's',
      content: [{ type: 'web_search_result', title: 'A page', url: 'https://e.example', encrypted_content: 'AAAA' }],
    },
    { type: 'text', text: 'So.' },
  ]
  t.strictSame(told(answerSegments({ content })), [
    'tool_call content.0.input: {"query":"prices"}',
    'tool_result content.1.content.0.title: A page',
    'tool_result content.1.content.0.url: https://e.example',
    'assistant content.2.text: So.',
  ])
})

t.test('replaced segments leave every other byte as it was', async (t) => {
  const body = Buffer.from(JSON.stringify(CONVERSATION).replace('"max_tokens":100', '"max_tokens" :\t1e2'))
  const segments = requestSegments(JSON.parse(body.toString())).filter(({ path }) => path[0] === 'messages')
  const [hello] = segments
  const input = segments.find(({ source }) => source === 'tool_call')
  if (!hello || !input) throw new Error('no segments')
  const changed = replaceSegments(body, [
    { segment: hello, text: 'Bye "you"' },
    { segment: input, text: '{"at":"[REDACTED]"}' },
  ])
  t.equal(
    changed.toString(),
    body.toString().replace('"Hello"', '"Bye \\"you\\""').replace('{"at":"it"}', '{"at":"[REDACTED]"}'),
  )
  t.throws(() => replaceSegments(body, [{ segment: input, text: '{"at":"[RED' }]), 'no broken JSON')
})

const event = (value: object) => JSON.stringify(value)

t.test('pieces of a stream go to the channel of their block, and thinking is sealed', async (t) => {
  const reader = openMessageStream(() => true)
  const pieces = [
    {
      type: 'message_start',
      message: { id: 'm', model: 'x', content: [{ type: 'text', text: 'Before. ' }], usage: {} },
    },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: 'A' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'B' } },
    { type: 'content_block_delta', index: 1, delta: { type: 'thinking_delta', thinking: 'C' } },
    { type: 'content_block_delta', index: 1, delta: { type: 'signature_delta', signature: 'AAAA' } },
    {
      type: 'content_block_start',
      index: 2,
      content_block: { type: 'tool_use', id: 't', name: 'look', input: { at: 'D' } },
    },
    { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '{"at"' } },
    { type: 'content_block_delta', index: 3, delta: { type: 'citations_delta', citation: { cited_text: 'E' } } },
    { type: 'content_block_delta', index: 4, delta: { type: 'compaction_delta', content: 'F' } },
    { type: 'content_block_delta', index: 5, delta: { type: 'of_tomorrow', words: ['G'] } },
    { type: 'ping' },
  ].flatMap((value) => reader.read(event(value))?.pieces ?? [])
  t.strictSame(
    pieces.map(({ channel, path, text, sealed }) => `${sealed ? 'sealed ' : ''}${channel} ${path.join('.')}: ${text}`),
    [
      '0.text message.content.0.text: Before. ',
      '0.text content_block.text: A',
      '0.text delta.text: B',
      'sealed 1.thinking delta.thinking: C',
      '2.input.at content_block.input.at: D',
      '2.input delta.partial_json: {"at"',
      '3.citation.cited_text delta.citation.cited_text: E',
      'sealed 4.content delta.content: F',
      '5.words.0 delta.words.0: G',
    ],
  )
  t.ok(reader.outputBytes() >= 'Before. ABCD{"at"EFG'.length + 64, 'a call costs more than its text')
})

t.test('what is no event of this format is passed on unread, and the end is seen', async (t) => {
  const reader = openMessageStream(() => true)
  for (const data of ['', '[DONE]', 'null', '3', '[]', '{}', '{"type":3}', '{"type":'])
    t.equal(reader.read(data), null, data)
  t.notOk(reader.ended())
  t.ok(reader.read(event({ type: 'error', error: { type: 'overloaded_error' } })))
  t.notOk(reader.ended())
  reader.read(event({ type: 'message_stop' }))
  t.ok(reader.ended())
})

t.test('a cut is told by an event that the official SDK takes for an error', async (t) => {
  const refusal = {
    kind: 'denial',
    code: 'acc_security_blocked',
    message: 'no',
    retryAfterS: null,
    details: {},
    findings: [],
    budgetDecision: null,
  } as const
  const framing = anthropicMessages.framing('text/event-stream; charset=utf-8', { model: 'x', stream: true, json: {} })
  if (!framing) throw new Error('no framing')
  t.equal(
    anthropicMessages.terminalEvent(refusal, 403, framing, true).toString(),
    'event: error\ndata: {"type":"error","error":{"type":"permission_error","message":"no","details":{"error_code":"acc_security_blocked"}}}\n\n',
  )
})
