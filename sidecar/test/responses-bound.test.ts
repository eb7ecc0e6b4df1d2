import t from 'tap'
import { isDenial } from '../exchange.ts'
import { openaiResponses } from '../providers/openai/responses/responses.ts'

const boundOf = (json: object) => {
  const body = JSON.stringify({ model: 'gpt-4.1', input: 'hello', ...json })
  const request = openaiResponses.parse(JSON.parse(body), { model: null, stream: false })
  if (isDenial(request)) throw new Error(request.message)
  return { bound: openaiResponses.bound(request, body.length), bytes: body.length, request }
}
const part = (type: string, rest: object) => ({ input: [{ role: 'user', content: [{ type, ...rest }] }] })
const item = (type: string, rest: object = {}) => ({ input: [{ type, ...rest }] })
const tools = (tool: object, rest: object = {}) => ({ tools: [tool], ...rest })

t.test('what stands in no body fills the context window, and says why', async (t) => {
  for (const [json, reason] of [
    [{ previous_response_id: 'resp_1' }, 'an earlier response by id'],
    [{ conversation: 'conv_1' }, 'a conversation by id'],
    [{ conversation: { id: 'conv_1' } }, 'a conversation by id'],
    [part('input_image', { image_url: 'https://example.com/a' }), 'an image by URL or id'],
    [part('input_image', { file_id: 'file-1' }), 'an image by URL or id'],
    [part('input_file', { file_data: 'data:application/pdf;base64,AA' }), 'a file'],
    [item('function_call_output', { output: [{ type: 'input_image', file_id: 'file-1' }] }), 'an image by URL or id'],
    [item('computer_call_output', { output: { type: 'computer_screenshot', file_id: 'f' } }), 'an image by URL or id'],
    [item('item_reference', { id: 'msg_1' }), 'an item by id'],
    [{ input: [{ id: 'msg_1' }] }, 'an item by id'],
    [item('reasoning', { id: 'rs_1', summary: [] }), 'earlier reasoning by id'],
    [item('web_search_call', { id: 'ws_1' }), 'an earlier call of a hosted tool'],
    [item('image_generation_call', { result: 'AAAA' }), 'an earlier call of a hosted tool'],
  ] as const) {
    const { bound } = boundOf(json)
    t.match(bound, { kind: 'unbounded', reason, hostedToolCallsMax: 0 }, JSON.stringify(json))
    t.notOk('contextsMax' in bound && bound.contextsMax !== 1, 'one of it')
  }
})

t.test('hosted tools fill one window more for each call, and have their fees', async (t) => {
  for (const [json, contextsMax, hostedToolCallsMax] of [
    [tools({ type: 'web_search' }, { max_tool_calls: 3 }), 4, 3],
    [tools({ type: 'web_search_preview_2025_03_11' }, { max_tool_calls: 1 }), 2, 1],
    [tools({ type: 'file_search' }, { max_tool_calls: 3 }), 4, 3],
    [tools({ type: 'mcp' }, { max_tool_calls: 3 }), 4, 0],
    [tools({ type: 'tool_search' }, { max_tool_calls: 3 }), 4, 0],
    [{ tools: [{ type: 'mcp' }, { type: 'web_search' }], max_tool_calls: 3 }, 4, 3],
    [{ ...item('additional_tools', { tools: [{ type: 'web_search' }] }), max_tool_calls: 2 }, 3, 2],
    [tools({ type: 'web_search' }), null, 0],
    [tools({ type: 'web_search' }, { max_tool_calls: 0 }), null, 0],
    [item('additional_tools', { tools: [{ type: 'web_search' }] }), null, 0],
    [tools({ type: 'code_interpreter' }, { max_tool_calls: 3 }), null, 0],
    [tools({ type: 'image_generation' }, { max_tool_calls: 3 }), null, 0],
    [tools({ type: 'shell', environment: { type: 'container_auto' } }, { max_tool_calls: 3 }), null, 0],
    [tools({ type: 'of tomorrow' }, { max_tool_calls: 3 }), null, 0],
    [{ prompt: { id: 'pmpt_1' }, max_tool_calls: 3 }, null, 0],
    [{ context_management: [{ type: 'compaction' }] }, null, 0],
    [item('compaction_trigger'), null, 0],
  ] as const) {
    const { bound, request } = boundOf(json)
    t.match(
      bound,
      { kind: 'unbounded', contextsMax, hostedToolCallsMax, choices: contextsMax ?? 1 },
      JSON.stringify(json),
    )
    t.notOk(openaiResponses.outputIsVisible('gpt-4.1', request), 'and may write what no stream shows')
  }
})

t.test('everything else is bounded by the body', async (t) => {
  for (const json of [
    {},
    { background: true, service_tier: 'flex', previous_response_id: null, conversation: null, prompt: null },
    tools({ type: 'function', name: 'f' }),
    tools({ type: 'custom', name: 'f' }),
    tools({ type: 'namespace', tools: [{ type: 'function', name: 'f' }] }),
    tools({ type: 'computer_use_preview' }),
    tools({ type: 'shell', environment: { type: 'local' } }),
    tools({ type: 'tool_search', execution: 'client' }),
    item('reasoning', { encrypted_content: 'sealed' }),
    item('message', { id: 'msg_1', role: 'assistant', content: [] }),
    item('function_call', { arguments: '{"type":"input_file"}', input: { type: 'input_file' } }),
  ]) {
    const { bound, bytes } = boundOf({ max_output_tokens: 100, ...json })
    t.match(bound, { kind: 'bounded', outputTokensAsked: 100, outputTokensLeast: 16, choices: 1 }, JSON.stringify(json))
    t.ok(bound.kind === 'bounded' && bound.inputTokensMax > bytes)
  }
})

t.test('a picture is bounded by what one costs, not by its bytes', async (t) => {
  const url = (length: number) => part('input_image', { image_url: `data:image/png;base64,${'A'.repeat(length)}` })
  const [small, large] = [boundOf(url(4)).bound, boundOf(url(400_000)).bound]
  t.same(small, large)
  t.ok(small.kind === 'bounded' && small.inputTokensMax > 50_000)
})
