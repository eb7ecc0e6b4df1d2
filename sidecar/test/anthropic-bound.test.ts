import t from 'tap'
import { outputIsVisible, requestBound } from '../providers/anthropic/bound.ts'
import { anthropicMessages } from '../providers/anthropic/messages.ts'
import type { MeteredRequest } from '../providers/provider.ts'

const request = (json: object, model = 'claude-sonnet-4-5'): MeteredRequest => ({
  model,
  stream: false,
  json: { model, max_tokens: 100, messages: [], ...json },
})
const bound = (json: object) => requestBound(request(json), 1_000)
const block = (value: object) => ({ messages: [{ role: 'user', content: [value] }] })
const tool = (value: object) => ({ tools: [value] })

t.test('the input bound is never below the bytes of the body, and the limit bounds the output', async (t) => {
  const it = bound({})
  t.match(it, { kind: 'bounded', outputTokensAsked: 100, choices: 1, extraOutputTokens: 0, serviceTier: null })
  t.ok(it.kind === 'bounded' && it.inputTokensMax >= 1_000)
  t.match(bound({ max_tokens: 0 }), { outputTokensAsked: 0 }, 'a request that only fills the cache')
  t.match(bound({ max_tokens: undefined }), { outputTokensAsked: null })
  t.match(bound({ service_tier: 'standard_only' }), { serviceTier: 'standard' })
})

t.test('a picture is bounded by what one may cost, also inside the result of a tool', async (t) => {
  const image = (bytes: number) => ({
    type: 'image',
    source: { type: 'base64', media_type: 'image/png', data: 'A'.repeat(bytes) },
  })
  const of = (value: object, bytes: number) => requestBound(request(block(value)), 2_000 + bytes)
  t.strictSame(of(image(10), 10), of(image(5_000_000), 5_000_000))
  const nested = { type: 'tool_result', content: [image(10)] }
  for (const value of [image(10), nested]) {
    const it = of(value, 10)
    t.ok(it.kind === 'bounded' && it.inputTokensMax > 2_000 + 4_784)
  }
})

t.test('what the sidecar cannot see makes a request unbounded, and says what', async (t) => {
  const cases: readonly (readonly [object, string])[] = [
    [block({ type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } }), 'an image by URL or id'],
    [block({ type: 'image', source: { type: 'file', file_id: 'f' } }), 'an image by URL or id'],
    [block({ type: 'document', source: { type: 'base64', data: 'AAAA' } }), 'a document'],
    [block({ type: 'tool_result', content: [{ type: 'document', source: { type: 'url', url: 'u' } }] }), 'a document'],
    [
      block({ type: 'document', source: { type: 'text', data: 'a' }, citations: { enabled: true } }),
      'a document to cite from',
    ],
    [block({ type: 'container_upload', file_id: 'f' }), 'a file by id'],
    [{ thread: { type: 'continue', previous_message_id: 'm' } }, 'a conversation by id'],
  ]
  for (const [json, reason] of cases) t.match(bound(json), { kind: 'unbounded', reason, hostedToolCallsMax: 0 }, reason)
  t.match(bound(block({ type: 'document', source: { type: 'text', data: 'a' } })), { kind: 'bounded' })
})

t.test('hosted tools with a number of uses fill so many context windows, and one more', async (t) => {
  const search = { type: 'web_search_20250305', name: 'web_search', max_uses: 3 }
  const fetching = { type: 'web_fetch_20250910', name: 'web_fetch', max_uses: 2 }
  t.match(bound(tool(search)), {
    kind: 'unbounded',
    reason: 'web search',
    contextsMax: 4,
    hostedToolCallsMax: 3,
    choices: 4,
  })
  t.match(bound({ tools: [search, fetching] }), { contextsMax: 6, hostedToolCallsMax: 3, choices: 6 })
})

t.test('what runs as often as it likes, or on another model, nothing bounds', async (t) => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [tool({ type: 'web_search_20250305', name: 'web_search' }), /without max_uses/],
    [
      tool({ type: 'web_search_20250305', max_uses: 1, allowed_callers: ['code_execution_20250825'] }),
      /without max_uses/,
    ],
    [tool({ type: 'web_search_20260209', name: 'web_search', max_uses: 1 }), /nothing limits/],
    [tool({ type: 'code_execution_20250825', name: 'code_execution' }), /nothing limits/],
    [tool({ type: 'advisor_20260301', name: 'advisor', model: 'claude-opus-5-5' }), /nothing limits/],
    [tool({ type: 'of tomorrow' }), /nothing limits/],
    [{ mcp_servers: [{ type: 'url', url: 'https://example.com' }] }, /MCP/],
    [{ container: 'c' }, /container/],
    [{ fallbacks: 'default' }, /fallback/],
    [{ context_management: { edits: [{ type: 'compact_20260112' }] } }, /compaction/],
    [
      block({
        type: 'tool_addition',
        tool: { type: 'tool_definition', definition: { type: 'code_execution_20250825' } },
      }),
      /nothing limits/,
    ],
  ]
  for (const [json, reason] of cases)
    t.match(bound(json), { kind: 'unbounded', reason, contextsMax: null }, String(reason))
})

t.test('tools that the client runs, and edits that only leave out, change no more than the framing', async (t) => {
  for (const json of [
    tool({ name: 'own', input_schema: { type: 'object' } }),
    tool({ type: 'custom', name: 'own' }),
    tool({ type: 'bash_20250124', name: 'bash' }),
    tool({ type: 'text_editor_20250728', name: 'str_replace_based_edit_tool' }),
    tool({ type: 'computer_20250124', name: 'computer' }),
    tool({ type: 'memory_20250818', name: 'memory' }),
    { context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] } },
  ])
    t.match(bound(json), { kind: 'bounded' }, JSON.stringify(json))
})

t.test('only what thinks in the open is counted from what was seen', async (t) => {
  const visible = (json: object, model?: string) => outputIsVisible(model ?? 'claude-sonnet-4-5', request(json, model))
  for (const model of ['claude-3-5-haiku-latest', 'claude-haiku-4-5', 'claude-opus-4-8', 'claude-4-sonnet-20250514'])
    t.ok(visible({}, model), model)
  for (const model of ['claude-sonnet-5', 'claude-opus-5-5', 'claude-fable-5', 'claude-opus-40', 'claude-next'])
    t.notOk(visible({}, model), model)
  t.ok(visible({ thinking: { type: 'disabled' } }, 'claude-sonnet-5'))
  t.notOk(visible({ thinking: { type: 'enabled', budget_tokens: 2_000 } }))
  t.notOk(visible({ thinking: { type: 'adaptive' } }))
  t.notOk(visible(tool({ type: 'web_search_20250305', max_uses: 1 })))
})

t.test('a lower limit keeps the thinking budget below it and at least as large as it must be', async (t) => {
  const lowered = (max_tokens: number, budget_tokens: number, tokens: number) => {
    const asked = request({ max_tokens, thinking: { type: 'enabled', budget_tokens } })
    const body = Buffer.from(JSON.stringify(asked.json))
    const json = JSON.parse(anthropicMessages.limitOutput(body, asked, tokens).toString())
    return [json.max_tokens, json.thinking.budget_tokens]
  }
  t.strictSame(lowered(16_000, 10_000, 12_000), [12_000, 7_500], 'it keeps its share')
  t.strictSame(lowered(16_000, 10_000, 1_500), [1_500, 1_024])
  t.strictSame(lowered(4_000, 8_000, 2_000), [2_000, 1_999], 'a budget over several turns')
  t.strictSame(lowered(2_000, 1_024, 1_025), [1_025, 1_024])
  t.match(bound({ thinking: { type: 'enabled', budget_tokens: 2_000 } }), { outputTokensLeast: 1_025 })
  t.match(bound({ thinking: { type: 'adaptive' } }), { outputTokensLeast: undefined })
  const plain = request({})
  const body = Buffer.from('{"max_tokens" : 100, "messages":[]}')
  t.equal(anthropicMessages.limitOutput(body, plain, 7).toString(), '{"max_tokens" : 7, "messages":[]}')
})
