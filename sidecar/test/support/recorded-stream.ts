/**
 * A stream as it is recorded from a provider; with usage, `"usage":null` stands in each event, and the report at the end.
 * @param last the text of its last delta, as JSON
 */
export function recordedChatStream(usage: boolean, last = 'last'): string {
  const event = (delta: string, empty = ',"usage":null', more = ''): string =>
    `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"gpt-4.1-mini","choices":[{"index":0,"delta":{${delta}},"finish_reason":null}]${usage ? empty : ''}${more}}\n\n`
  return [
    ': hello\n\n',
    event('"role":"assistant","content":""'),
    event('"content":"é漢😀 \\u00e9 \\"quoted\\" ,\\"usage\\":null"', ',"usage":null', ',"obfuscation":"abc"'),
    event(
      '"tool_calls":[{"index":0,"id":"call_1","function":{"name":"f","arguments":"{\\"a\\""}}]',
      ', "usage" : null',
    ),
    event('"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]').replaceAll('\n', '\r\n'),
    ': keep-alive\r\n\r\n',
    'event: message\nid: 7\nretry: 10\n',
    event(`"content":"${last}"`),
    usage
      ? 'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"gpt-4.1-mini","choices":[],"usage":{"prompt_tokens":8,"completion_tokens":5,"total_tokens":13}}\n\n'
      : '',
    'data: [DONE]\n\n',
  ].join('')
}

/** What a provider sends to who asks for usage. */
export const RECORDED_STREAM = recordedChatStream(true)

/** What it sends to who does not. */
export const RECORDED_STREAM_WITHOUT_USAGE = recordedChatStream(false)

/** UTF-8 bytes of all the text in it. */
export const RECORDED_OUTPUT_BYTES = Buffer.byteLength('é漢😀 é "quoted" ,"usage":nullf{"a":1}last')

/** The report in it. */
export const RECORDED_USAGE = { prompt_tokens: 8, completion_tokens: 5, total_tokens: 13 }
