import t from 'tap'
import { denial, isDenial } from '../exchange.ts'
import { openaiResponses } from '../providers/openai/responses/responses.ts'
import { SSE } from '../providers/sse.ts'

function read(json: object) {
  const request = openaiResponses.parse({ model: 'gpt-4.1-mini', ...json }, { model: null, stream: false })
  if (isDenial(request)) throw new Error(request.message)
  return request
}

/** The texts of a request with whose they are. */
const textsOf = (json: object): readonly string[] =>
  openaiResponses.segments(read(json)).map(({ source, text }) => `${source}: ${text}`)

t.test('every text is read with whose it is', async (t) => {
  t.same(textsOf({ instructions: 'rules', input: 'question' }), ['system: rules', 'user: question'])
  t.same(
    textsOf({
      input: [
        { role: 'developer', content: 'more rules' },
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'look' },
            { type: 'input_image', image_url: 'data:image/png;base64,AAAA' },
            { type: 'input_image', image_url: 'https://example.com/a?key=b' },
            { type: 'input_file', filename: 'a.txt', file_data: 'data:text/plain;base64,AAAA' },
          ],
        },
        {
          type: 'message',
          id: 'msg_1',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'answer', annotations: [] }],
        },
        { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'thought' }], encrypted_content: 'x' },
      ],
    }),
    [
      'system: more rules',
      'user: look',
      'user: https://example.com/a?key=b',
      'user: a.txt',
      'assistant: answer',
      'assistant: thought',
    ],
  )
})

t.test('calls and what comes of them are told apart, for every kind of tool', async (t) => {
  const call = (type: string, rest: object) => ({ type, id: 'id', call_id: 'call', status: 'completed', ...rest })
  t.same(
    textsOf({
      input: [
        call('function_call', { name: 'f', arguments: '{"a":1}' }),
        call('function_call_output', { output: 'plain' }),
        call('function_call_output', { output: [{ type: 'input_text', text: 'part' }] }),
        call('custom_tool_call', { name: 'g', input: 'free' }),
        call('custom_tool_call_output', { output: 'result' }),
        call('computer_call', { action: { type: 'type', text: 'typed' } }),
        call('computer_call_output', { output: { type: 'computer_screenshot', image_url: 'data:image/png;base64,A' } }),
        call('shell_call', { action: { commands: ['ls'] } }),
        call('shell_call_output', { output: [{ stdout: 'files', stderr: '', outcome: { type: 'exit' } }] }),
        call('local_shell_call_output', { output: 'local' }),
        call('apply_patch_call', { operation: { type: 'update_file', path: 'a', diff: '+b' } }),
        call('mcp_call', { name: 'm', server_label: 'server', arguments: '{}', output: 'remote' }),
        call('mcp_list_tools', { server_label: 'server', tools: [{ name: 'm', description: 'does' }] }),
        call('code_interpreter_call', { code: 'print(1)', outputs: [{ type: 'logs', logs: '1' }] }),
        call('file_search_call', { queries: ['q'], results: [{ text: 'found', filename: 'f.txt' }] }),
        call('image_generation_call', { result: 'iVBORw0KGgo=' }),
      ],
    }),
    [
      'tool_call: f',
      'tool_call: {"a":1}',
      'tool_result: plain',
      'tool_result: part',
      'tool_call: g',
      'tool_call: free',
      'tool_result: result',
      'tool_call: {"type":"type","text":"typed"}',
      'tool_call: {"commands":["ls"]}',
      'tool_result: files',
      'tool_result: local',
      'tool_call: {"type":"update_file","path":"a","diff":"+b"}',
      'tool_call: m',
      'tool_call: server',
      'tool_call: {}',
      'tool_result: remote',
      'tool_definition: server',
      'tool_definition: {"name":"m","description":"does"}',
      'tool_call: print(1)',
      'tool_result: 1',
      'tool_call: ["q"]',
      'tool_result: found',
      'tool_result: f.txt',
    ],
  )
})

t.test(
  'definitions are read whole, but for the credentials of a server; templates and metadata are read too',
  async (t) => {
    t.same(
      textsOf({
        input: [{ type: 'additional_tools', role: 'developer', tools: [{ type: 'function', name: 'late' }] }],
        tools: [
          { type: 'function', name: 'f' },
          { type: 'mcp', server_url: 'https://example.com', authorization: 'secret', headers: { a: 'secret' } },
        ],
        prompt: { id: 'pmpt_1', variables: { name: 'value', part: { type: 'input_text', text: 'variable' } } },
        metadata: { a: 'b' },
        safety_identifier: 'someone',
      }),
      [
        'tool_definition: {"type":"function","name":"late"}',
        'tool_definition: {"type":"function","name":"f"}',
        'tool_definition: mcp',
        'tool_definition: https://example.com',
        'user: value',
        'user: variable',
        'user: {"a":"b"}',
        'user: someone',
      ],
    )
  },
)

t.test('what ends a stream that is cut has the number that would have come next', async (t) => {
  const reader = openaiResponses.openStream(read({}))
  reader.read('{"type":"response.created","sequence_number":41,"response":{"status":"in_progress"}}')
  const refusal = denial('acc_security_blocked', 'No.')
  const bytes = openaiResponses.terminalEvent(refusal, 403, SSE, true, reader).toString()
  t.match(bytes, /^event: error\ndata: \{.*\}\n\n$/)
  t.match(JSON.parse(bytes.slice(bytes.indexOf('{'))), {
    type: 'error',
    sequence_number: 42,
    error: { code: 'acc_security_blocked', type: 'invalid_request_error', message: 'No.', param: null },
  })
})

t.test('what was used is told by the last event alone, also of a response that failed', async (t) => {
  const usage = { input_tokens: 8, output_tokens: 5, total_tokens: 13 }
  for (const type of ['completed', 'incomplete', 'failed']) {
    const reader = openaiResponses.openStream(read({}))
    const early = { id: 'resp_1', model: 'gpt-4.1-mini', status: 'in_progress', usage }
    reader.read(JSON.stringify({ type: 'response.in_progress', response: early }))
    t.equal(reader.facts().usage, null, 'one that comes before is none')
    t.notOk(reader.ended())
    reader.read(JSON.stringify({ type: `response.${type}`, response: { ...early, status: type } }))
    t.match(reader.facts(), { responseId: 'resp_1', usage: { inputUncached: 8, outputVisible: 5 } })
    t.ok(reader.ended())
  }
})

t.test(
  'absent figures are not zero, and searches are counted where the last event leaves its output out',
  async (t) => {
    const used = (usage: unknown, rest: object = {}) =>
      openaiResponses.readAnswer({ status: 'completed', usage, ...rest }, read({})).usage
    for (const usage of [
      undefined,
      null,
      {},
      [],
      'none',
      { input_tokens: 8 },
      { output_tokens: 5 },
      { input_tokens: -1, output_tokens: 5 },
    ])
      t.equal(used(usage), null, JSON.stringify(usage))
    const usage = { input_tokens: 8, output_tokens: 5 }
    const call = (action: object) => ({ type: 'web_search_call', action })
    const output = [
      call({ type: 'search' }),
      call({ type: 'open_page' }),
      call({ type: 'find_in_page' }),
      { type: 'mcp_call' },
    ]
    t.equal(used(usage, { output })?.hostedToolCalls, 1, 'pages that are opened have no fee')
    const told = { output, tool_usage: { web_search: { num_requests: 3 } } }
    t.equal(used(usage, told)?.hostedToolCalls, 3, 'what the provider counted counts')
    const reader = openaiResponses.openStream(read({}))
    for (const item of output) reader.read(JSON.stringify({ type: 'response.output_item.done', output_index: 0, item }))
    reader.read(JSON.stringify({ type: 'response.completed', response: { output: [], usage } }))
    t.equal(reader.facts().usage?.hostedToolCalls, 1)
  },
)

t.test('text that is told whole and never in pieces is counted, and counted once', async (t) => {
  const item = { type: 'message', content: [{ type: 'output_text', text: 'x'.repeat(100) }] }
  const reader = openaiResponses.openStream(read({}))
  reader.read(JSON.stringify({ type: 'response.output_item.done', output_index: 0, item }))
  const once = reader.outputBytes()
  t.ok(once >= 100)
  reader.read(JSON.stringify({ type: 'response.completed', response: { output: [item] } }))
  t.equal(reader.outputBytes(), once)
})
