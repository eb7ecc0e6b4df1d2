import { chunked, request } from './raw-http.ts'

/** What the simulator accepts as a key. */
export const AUTH = 'Authorization: Bearer sk-any'
const JSON_TYPE = 'Content-Type: application/json'
const CHAT = 'POST /v1/chat/completions'
/** A chat request that is not streamed. */
export const PLAIN_CHAT = '{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hello"}]}'
const STREAM = '{"model":"gpt-4.1-mini","stream":true,"messages":[{"role":"user","content":"hello"}]}'
const WITH_USAGE = STREAM.replace('{', '{"stream_options":{"include_usage":true},')
const ODD_JSON = [
  ' \r\n\t{ "model" : "gpt-4.1-mini" ,\n"messages":[ {"role":"user","content":"a\\u0062\\ud83d\\ude00 é漢😀 \\/ \\u0000"} ] }\n',
  '{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"n"}],"seed":12345678901234567890,"temperature":1.0e-0,"x":-0}',
  '{"model":"gpt-4.1-mini","metadata":{"model":":","Model":"\\":"},"messages":[{"role":"user","content":":twice"}]}',
  '{"\\u006dodel":"gpt-4.1-mini","messages":[{"role":"user","content":"escaped key"}],"nested":{"stream_options":null}}',
]

/** So many events that the simulator's faults and comments fall on the same ones with and without the usage event. */
const ODD_COUNT = 'X-Sim-Output-Tokens: 41'

/** A request, as bytes. */
export interface Case {
  readonly name: string
  readonly bytes: Buffer
  /** True for a stream that does not ask for usage. */
  readonly hidden?: boolean
}

const chat = (name: string, body: string, headers: readonly string[] = [], hidden = false): Case => ({
  name,
  bytes: request(CHAT, [AUTH, JSON_TYPE, ...headers], body),
  hidden,
})

const EMBED = '{"model":"text-embedding-3-small","input":["one","é漢😀"],"dimensions":9}'
const embed = (name: string, body: string, headers: readonly string[] = []): Case => ({
  name: `embeddings, ${name}`,
  bytes: request('POST /v1/embeddings', [AUTH, JSON_TYPE, ...headers], body),
})

/** Requests of every kind that a provider would serve, as bytes. */
export const CORPUS: readonly Case[] = [
  chat('plain', PLAIN_CHAT),
  ...ODD_JSON.map((body, at) => chat(`odd JSON ${at}`, body)),
  ...ODD_JSON.map((body, at) =>
    chat(`odd JSON ${at} streamed`, body.replace(/\{/, '{"stream":true,').trimStart(), [], true),
  ),
  chat('a large body', PLAIN_CHAT.replace('hello', 'é漢😀 '.repeat(40_000))),
  chat('streamed', STREAM, [], true),
  chat('streamed with usage', WITH_USAGE),
  chat('streamed with other options', STREAM.replace('{', '{"stream_options":{"include_usage":true,"x":1} , '), []),
  chat('streamed, lines ending with CRLF', STREAM, ['X-Sim-Lines: crlf'], true),
  chat('streamed, comments and no spaces', STREAM, ['X-Sim-Lines: nospace,comments', ODD_COUNT], true),
  chat('streamed with usage, comments, CRLF, no spaces', WITH_USAGE, ['X-Sim-Lines: nospace,comments,crlf']),
  chat('streamed byte by byte', STREAM, ['X-Sim-Fault: one-byte-chunks', 'X-Sim-Output-Tokens: 4'], true),
  chat('characters cut in two', WITH_USAGE, ['X-Sim-Fault: split-utf8', `X-Sim-Reply: ${encodeURIComponent('é漢😀')}`]),
  chat('an error event', STREAM, ['X-Sim-Fault: error-event', ODD_COUNT], true),
  chat('cut in the middle of a stream', WITH_USAGE, ['X-Sim-Fault: cut-mid-stream']),
  chat('cut in the middle of a stream without usage', STREAM, ['X-Sim-Fault: cut-mid-stream', ODD_COUNT], true),
  chat('cut in the middle of a body', PLAIN_CHAT, ['X-Sim-Fault: cut-mid-body']),
  chat('JSON that is none', PLAIN_CHAT, ['X-Sim-Fault: truncated-json']),
  chat('senseless usage', PLAIN_CHAT, ['X-Sim-Fault: malformed-usage']),
  ...['gzip', 'br', 'deflate', 'zstd'].flatMap((coding) => [
    chat(`plain, ${coding}`, PLAIN_CHAT, [`X-Sim-Encoding: ${coding}`]),
    chat(`streamed, ${coding}`, STREAM, [`X-Sim-Encoding: ${coding}`], true),
    chat(`streamed with usage, ${coding}`, WITH_USAGE, [`X-Sim-Encoding: ${coding}`]),
  ]),
  ...[400, 401, 403, 404, 409, 422, 429, 500, 503, 529].map((status) =>
    chat(`status ${status}`, PLAIN_CHAT, [`X-Sim-Fault: status-${status}`]),
  ),
  embed('numbers', EMBED),
  embed('base64', EMBED.replace('{', '{"encoding_format":"base64",')),
  embed('tokens', '{"input":[[1,2],[3]],"dimensions":9,"model":"text-embedding-3-large"}'),
  embed(
    'odd JSON',
    ' { "input" :"a\\u0062 \\/",\r\n"user":":","model" : "text-embedding-3-small","dimensions":1e0 }\t',
  ),
  embed('compressed', EMBED, ['X-Sim-Encoding: br']),
  embed('no usage', EMBED, ['X-Sim-Fault: no-usage']),
  embed('an empty text', EMBED.replace('one', '')),
  embed('status 429', EMBED, ['X-Sim-Fault: status-429']),
  { name: 'a picture', bytes: request('POST /v1/images/generations', [AUTH, JSON_TYPE], '{"prompt": "a"}') },
  { name: 'a form', bytes: request('POST /v1/images/edits', [AUTH], Buffer.from([...Array(256).keys()])) },
  { name: 'no key', bytes: request(CHAT, [JSON_TYPE], PLAIN_CHAT) },
  {
    name: 'headers in odd case and order, twice, empty, many',
    bytes: request(
      CHAT,
      [
        'aCCept: */*',
        'X-B: 1',
        'authorization: Bearer k',
        'x-a:  spaces around \t',
        'X-B: 2',
        'Cookie: a=1',
        'X-Empty:',
        'COOKIE: b=2',
        'Accept-Encoding: gzip, br',
        'User-Agent: OpenAI/Python 1.0',
        'X-Latin: caf\xe9 \xff',
        'X_Under_Score: 1',
        "!#$%&'*+-.^_`|~0: token",
        ...Array.from({ length: 500 }, (_, at) => `X-Many-${at}: ${'v'.repeat(at % 60)}`),
        'content-type: application/json; charset=utf-8',
      ],
      PLAIN_CHAT,
    ),
  },
  {
    name: 'hop-by-hop headers',
    bytes: request(
      CHAT,
      [
        AUTH,
        'Connection: keep-alive',
        'X-Hop: 1',
        'Connection: x-hop , X-Hop2',
        'x-hop2: 2',
        'Keep-Alive: timeout=9',
        'TE: trailers',
        'Proxy-Connection: keep-alive',
        'X-Acc-Agent: me',
        'x-acc-unknown: 1',
        'X-Accept: stays',
      ],
      PLAIN_CHAT,
    ),
  },
  {
    name: 'a body in chunks, with an extension and trailers',
    bytes: request(
      CHAT,
      [AUTH, 'Transfer-Encoding: chunked', 'Trailer: X-T'],
      chunked(PLAIN_CHAT, [1, 2, 40], ['X-T: 1']),
    ),
  },
  { name: 'Expect: 100-continue', bytes: request(CHAT, [AUTH, 'Expect: 100-continue'], PLAIN_CHAT) },
  {
    name: 'an upgrade that may be ignored',
    bytes: request('GET /v1/models', [
      AUTH,
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAM',
    ]),
  },
  { name: 'an HTTP/1.0 client', bytes: Buffer.from(`GET /v1/models HTTP/1.0\r\n${AUTH}\r\n\r\n`) },
  {
    name: 'an HTTP/1.0 client with a stream',
    bytes: Buffer.from(
      `POST /v1/chat/completions HTTP/1.0\r\n${AUTH}\r\nContent-Length: ${STREAM.length}\r\n\r\n${STREAM}`,
    ),
    hidden: true,
  },
  { name: 'GET', bytes: request('GET /v1/models?limit=20&after=%2Fa%20b&x=%c3%a9+&&=?', [AUTH]) },
  { name: 'GET of a name with an encoded letter', bytes: request('GET /v1/models/gpt%2D4.1', [AUTH]) },
  { name: 'GET of what is not there', bytes: request('GET /v1/models/none', [AUTH]) },
  { name: 'GET with a body', bytes: request('GET /v1/models', [AUTH], 'body') },
  { name: 'HEAD', bytes: request('HEAD /v1/models', [AUTH]) },
  { name: 'DELETE', bytes: request('DELETE /v1/files/file-abc', [AUTH, 'Content-Length: 0']) },
  { name: 'POST of any bytes', bytes: request('POST /v1/files', [AUTH], Buffer.from([...Array(256).keys()])) },
  { name: 'POST of nothing', bytes: request('POST /v1/moderations', [AUTH, 'Content-Length: 0']) },
  { name: 'POST without a length', bytes: request('POST /v1/moderations', [AUTH]) },
  {
    name: 'POST of an empty chunked body',
    bytes: request('POST /v1/moderations', [AUTH, 'Transfer-Encoding: chunked'], chunked('', [])),
  },
  { name: 'an endpoint that nobody knows', bytes: request('PATCH /v1/new/thing?a', [AUTH], '{') },
]
