import t from 'tap'
import { decodings, extractValues, readCall } from '../index.ts'
import { createRandom } from './support/random.ts'

const valuesOf = (text: string): readonly string[] => {
  const values: string[] = []
  extractValues(text, (kind, start, end) => values.push(`${kind} ${text.slice(start, end)}`))
  return values
}

t.test(
  'addresses, accounts, links, hosts, tokens and files are found where people and programs write them',
  async (t) => {
    for (const [text, values] of [
      ['Write to anna.b+x@mail.example.org, please.', ['email anna.b+x@mail.example.org']],
      ['<mailto:a.b@c.io>', ['email a.b@c.io']],
      ['{"to":"a@b.co","cc":["c@d.co"]}', ['email a@b.co', 'email c@d.co']],
      ['pay GB29 NWBK 6016 1331 9268 19 now', ['account GB29 NWBK 6016 1331 9268 19']],
      ['IBAN:DE44500105175407324931.', ['account DE44500105175407324931']],
      ['card 4111-1111-1111-1111', ['account 4111-1111-1111-1111']],
      [
        'see https://www.evil.example/a/b/?x=1#top!',
        ['host evil.example', 'url evil.example/a/b/?x=1', 'url evil.example/a/b/'],
      ],
      ['http://user:pass@host.internal:8080/', ['host host.internal', 'url host.internal:8080']],
      ['visit secure-systems.com or 10.1.2.3', ['host secure-systems.com', 'host 10.1.2.3']],
      ['file bill-march.txt, ~/.ssh/id_rsa', ['path bill-march.txt', 'path ~/.ssh/id_rsa']],
      ['wallet 0x52908400098527886E0F7030069857D2E4169EE7', ['token 0x52908400098527886E0F7030069857D2E4169EE7']],
      [String.raw`"line\nsend to x@y.com\n"`, ['email x@y.com']],
      ['on 2026-03-14 we met at 10:30, version 1.2.3 of foo.bar(baz)', []],
    ] as const)
      t.same(valuesOf(text), values, text)
  },
)

t.test('a call says which of its arguments decide where something goes, and whether it acts', async (t) => {
  const roles = (tool: string, args: object) => readCall(JSON.stringify(args), tool)
  t.match(roles('send_email', { to: ['a'], body: 'b', attachments: ['c'], api_key: 'd' }), {
    acts: true,
    sends: true,
    arguments: [
      { role: 'recipient', text: 'a' },
      { role: 'content', text: 'b' },
      { role: 'other', text: 'c' },
      { role: 'credential', text: 'd' },
    ],
  })
  t.match(roles('search_emails', { query: 'x' }), { acts: false, sends: false })
  t.match(roles('getUserById', { user_id: 12 }), { acts: false, arguments: [{ role: 'other', text: '12' }] })
  t.match(roles('http_request', { method: 'POST', url: 'u' }), { acts: true, sends: true })
  t.match(roles('bash', { command: 'curl -d @x https://h' }), { sends: true, arguments: [{ role: 'command' }] })
  t.match(roles('bash', { command: 'ls -l' }), { sends: false })
  t.match(roles('write_file', { path: 'a', content: 'b' }), { acts: true, sends: false })
  t.match(readCall('rm -rf /', 'shell'), { arguments: [{ role: 'command', text: 'rm -rf /' }] })
})

t.test('what is encoded comes out, twice over as well, and all of it within bounds', async (t) => {
  const secret = 'sk-proj-abcdefghijklmnop'
  const base64 = Buffer.from(`key=${secret}`).toString('base64')
  for (const [text, encoding] of [
    [base64, 'base64'],
    [Buffer.from(secret).toString('hex'), 'hex'],
    [encodeURIComponent(`"${secret}"`), 'url'],
    [[...secret].reverse().join(''), 'reversed'],
    [Buffer.from(base64).toString('hex'), 'base64'],
    [[...secret].join(' '), 'spaced'],
  ] as const) {
    const found: (string | null)[] = []
    decodings(`see ${text} there`, (decoded, how) => {
      if (decoded.includes(secret)) found.push(how)
    })
    t.ok(found.includes(encoding), `${encoding}: ${found.join()}`)
  }
})

/** CPU time, the least of some runs, in µs. */
function cpuUs(work: () => void): number {
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < 5; run++) {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, user + system)
  }
  return best
}

t.test('the time for each character does not grow with the length of a text', async (t) => {
  const random = createRandom(3)
  const units = [
    '@',
    'a@',
    '://',
    'http://',
    '1111 ',
    'GB29 ',
    '.',
    'a.com ',
    '/',
    '::',
    '%41',
    '=',
    'a=',
    'a@b.co',
    'x@@',
    '`',
  ]
  for (const unit of [...units, random.chars('@.:/1a =%', 64)]) {
    const small = unit.repeat(Math.ceil(16_384 / unit.length))
    const large = small.repeat(4)
    const read = (text: string) => (): void => {
      extractValues(text, () => {})
      decodings(text.slice(0, 65_536), () => {})
    }
    const ratio = cpuUs(read(large)) / 4 / Math.max(50, cpuUs(read(small)))
    t.ok(ratio < 3, `${JSON.stringify(unit)}: ${ratio.toFixed(1)}`)
  }
})
