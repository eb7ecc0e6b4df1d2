/** A stream as it is recorded from Anthropic: names and data in odd ways, comments, characters of every length. */
const event = (name: string, body: string, end = '\n'): string =>
  `event: ${name}${end}data: {"type":"${name}",${body}}${end}${end}`

const USAGE =
  '"usage":{"input_tokens":8,"cache_creation_input_tokens":100,"cache_read_input_tokens":50,"cache_creation":{"ephemeral_5m_input_tokens":60,"ephemeral_1h_input_tokens":40},"output_tokens":1,"service_tier":"standard"}'

/** The stream; `last` is the text of its last delta, as JSON. */
export const recordedAnthropicStream = (last = 'last'): string =>
  [
    ': hello\n\n',
    event(
      'message_start',
      `"message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[],${USAGE}}`,
    ),
    event('ping', '"x":1', '\r\n'),
    event('content_block_start', '"index":0,"content_block":{"type":"thinking","thinking":"","signature":""}'),
    event('content_block_delta', '"index":0,"delta":{"type":"thinking_delta","thinking":"é漢😀 \\u00e9"}'),
    event('content_block_delta', '"index":0,"delta":{"type":"signature_delta","signature":"KEY999999=="}'),
    event('content_block_stop', '"index":0'),
    event('content_block_start', '"index":1,"content_block":{"type":"text","text":"","citations":null}'),
    'event: content_block_delta\ndata: {"type":"content_block_delta",\ndata: "index":1,"delta":{"type":"text_delta","text":"two lines "}}\n\n',
    event('content_block_delta', `"index":1,"delta":{"type":"text_delta","text":"${last}"}`, '\r\n'),
    ': keep-alive\r\n\r\n',
    event('content_block_delta', '"index":1,"delta":{"type":"citations_delta","citation":{"cited_text":"cited"}}'),
    event('content_block_stop', '"index":1'),
    event('content_block_start', '"index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}'),
    event('content_block_delta', '"index":2,"delta":{"type":"input_json_delta","partial_json":""}'),
    event('content_block_delta', '"index":2,"delta":{"type":"input_json_delta","partial_json":"{\\"a\\":"}'),
    event('content_block_delta', '"index":2,"delta":{"type":"input_json_delta","partial_json":"1}"}'),
    event('content_block_stop', '"index":2'),
    event('message_delta', '"delta":{"stop_reason":null},"usage":{"output_tokens":20}'),
    event(
      'message_delta',
      '"delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":30,"output_tokens_details":{"thinking_tokens":12}}',
    ),
    event('message_stop', '"x":1'),
  ].join('')
