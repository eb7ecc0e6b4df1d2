import t from 'tap'
import { clientResponseHeaders, headerValue, upstreamRequestHeaders } from '../answer/headers.ts'

t.test(
  'hop-by-hop headers, those that Connection names and x-acc-* stay behind; the rest keeps order and case',
  async (t) => {
    t.same(
      upstreamRequestHeaders([
        'Host',
        'a',
        'AUTHORIZATION',
        'k',
        'Connection',
        'keep-alive, X-Hop',
        'X-Hop',
        '1',
        'Keep-Alive',
        't',
        'TE',
        'trailers',
        'Transfer-Encoding',
        'chunked',
        'Content-Length',
        '3',
        'x-ACC-agent',
        'a',
        'OpenAI-Beta',
        'b',
        'cookie',
        '1',
        'cookie',
        '2',
        'Expect',
        '100-continue',
      ]),
      ['AUTHORIZATION', 'k', 'OpenAI-Beta', 'b', 'cookie', '1', 'cookie', '2'],
    )
  },
)

t.test('a client gets the headers of the provider, the length only where the body is unchanged', async (t) => {
  const headers = [
    'Content-Type',
    'x',
    'content-length',
    '5',
    'Connection',
    'close',
    'set-cookie',
    'a',
    'Set-Cookie',
    'b',
  ]
  t.same(clientResponseHeaders(headers, 'keep'), [
    'Content-Type',
    'x',
    'content-length',
    '5',
    'set-cookie',
    'a',
    'Set-Cookie',
    'b',
  ])
  t.same(clientResponseHeaders(headers, 'drop'), ['Content-Type', 'x', 'set-cookie', 'a', 'Set-Cookie', 'b'])
})

t.test('a header is found whatever its case', async (t) => {
  t.equal(headerValue(['Content-Encoding', 'gzip'], 'content-encoding'), 'gzip')
  t.equal(headerValue(['Content-Encodin', 'gzip'], 'content-encoding'), null)
})
