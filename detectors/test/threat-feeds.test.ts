import fc from 'fast-check'
import t from 'tap'
import { createThreatIntelDetector } from '../index.ts'
import { compileFeeds } from '../threat-intel/feeds/compile-feeds.ts'
import { FEED_FORMATS, type FeedFormat } from '../threat-intel/feeds/feed.ts'
import { guessFormat } from '../threat-intel/feeds/read-feed.ts'

const NOW_MS = Date.UTC(2026, 10, 1)

const feed = (format: FeedFormat, text: string) => ({ name: format, format, text })
const compile = (...feeds: Parameters<typeof compileFeeds>[0]) => compileFeeds(feeds, NOW_MS)
/** Rules by which a text is found with these lists. */
const found = (index: SharedArrayBuffer, text: string): readonly string[] =>
  createThreatIntelDetector([index])
    .detect(text, { source: 'user' })
    .map(({ ruleId, severity }) => `${ruleId} ${severity}`)

const URLHAUS = `################
# abuse.ch URLhaus Database Dump (CSV)
# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter
"3","2026-10-01 10:00:00","http://203.0.113.9:47832/i","online","2026-10-01","malware_download","32-bit,""elf"",mips","https://urlhaus.abuse.ch/url/3/","someone"
"2","2026-10-01 10:00:00","https://files.example/b.exe","offline","","malware_download","exe","https://urlhaus.abuse.ch/url/2/","someone"\r
this is no line
1,2026-10-01,http://bare.example/c,online,,malware_download,,,x
`
const THREATFOX = `# "first_seen_utc","ioc_id","ioc_value","ioc_type","threat_type","fk_malware","malware_alias","malware_printable","last_seen_utc","confidence_level","is_compromised","reference","tags","anonymous","reporter"
"2026-10-01 10:00:00", "1", "198.51.100.7:4443", "ip:port", "botnet_cc", "win.x", "None", "X", "None", "100", "False", "None", "x", "0", "y"
"2026-10-01 10:00:00", "2", "c2.example", "domain", "botnet_cc", "win.x", "None", "X", "None", "60", "None", "x", "0", "y"
"2026-10-01 10:00:00", "3", "d41d8cd98f00b204e9800998ecf8427e", "md5_hash", "payload", "win.x", "None", "X", "None", "25", "None", "x", "0", "y"
"2026-10-01 10:00:00", "4", "someone@mail.example", "envelope_from", "payload", "win.x", "None", "X", "None", "25", "None", "x", "0", "y"
`
const OSV = JSON.stringify({
  schema_version: '1.5.0',
  id: 'MAL-2026-1',
  summary: 'Malicious code',
  affected: [
    { package: { ecosystem: 'npm', name: 'evil-pad' }, ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }] }] },
    { package: { ecosystem: 'npm', name: 'taken-over' }, versions: ['4.4.2'] },
    {
      package: { ecosystem: 'PyPI', name: 'Ranged' },
      ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '1.0' }, { last_affected: '1.2' }] }],
    },
    { package: { ecosystem: 'crates.io', name: 'other' } },
  ],
})
const indicator = (pattern: string, more: object = {}) => ({
  type: 'indicator',
  pattern_type: 'stix',
  pattern,
  ...more,
})
const STIX = JSON.stringify({
  type: 'bundle',
  id: 'bundle--1',
  objects: [
    { type: 'identity', name: 'x' },
    indicator("[url:value = 'http://stix.example/it\\'s']"),
    indicator("[domain-name:value = 'one.example' OR domain-name:value = 'two.example']", { confidence: 60 }),
    indicator(`[ipv4-addr:value = '192.0.2.9'] OR [file:hashes.'SHA-256' = '${'ab'.repeat(32)}']`),
    indicator(`[file:hashes.MD5 = '${'cd'.repeat(16)}']`),
    indicator("[domain-name:value = 'old.example']", { valid_until: '2026-01-01T00:00:00Z' }),
    indicator("[domain-name:value = 'revoked.example']", { revoked: true }),
    indicator("[domain-name:value = 'a.example' AND url:value = 'http://a.example/']"),
    indicator("[domain-name:value LIKE '%.example']"),
  ],
})

t.test('URLhaus: URLs, lines that are none are told, and the rest is taken', async (t) => {
  const { index, lists } = compile(feed('urlhaus', URLHAUS))
  t.match(lists[0], { entries: 3, failed: 1, problems: [{ line: 6 }] })
  t.same(found(index, 'wget http://203.0.113.9:47832/i'), ['url high'])
  t.same(found(index, 'https://files.example/b.exe'), ['url medium'])
  t.same(found(index, 'https://files.example/'), [])
})

t.test('ThreatFox: addresses with their ports, domains and hashes, by confidence', async (t) => {
  const { index, lists } = compile(feed('threatfox', THREATFOX))
  t.match(lists[0], { entries: 3, failed: 1, problems: [{ line: 5 }] })
  t.same(found(index, '198.51.100.7:4443 then c2.example and d41d8cd98f00b204e9800998ecf8427e'), [
    'ip high',
    'domain medium',
    'file-hash low',
  ])
})

t.test('OSV: packages with every version, some, or a range of them', async (t) => {
  const { index, lists } = compile(feed('osv', OSV))
  t.match(lists[0], { entries: 3, failed: 1 })
  t.same(found(index, 'npm i evil-pad taken-over@4.4.2 taken-over@4.4.1'), ['package critical', 'package critical'])
  t.same(found(index, 'pip install ranged==1.2'), ['package critical'])
  t.same(found(index, 'pip install ranged==1.2.1'), [])
  t.same(compile(feed('osv', `${OSV}\n{"id":"MAL-2","withdrawn":"2026","affected":[]}\n`)).lists[0]?.entries, 3)
})

t.test('STIX: equalities and OR; what is revoked, over or says more is not taken', async (t) => {
  const { index, lists } = compile(feed('stix', STIX))
  t.match(lists[0], { entries: 6, failed: 2 })
  t.same(found(index, "http://stix.example/it's two.example 192.0.2.9"), ['url high', 'domain medium', 'ip high'])
  t.same(found(index, `${'ab'.repeat(32)} ${'CD'.repeat(16)}`).length, 2)
  t.same(found(index, 'old.example revoked.example a.example'), [])
})

t.test('MISP: what a warninglist names is not taken from the others, wherever it stands among them', async (t) => {
  const lists = [
    { type: 'string', list: ['exact.example'] },
    { type: 'hostname', list: ['hosted.example'] },
    { type: 'cidr', list: ['192.0.2.0/24', '2001:db8::/32'] },
    { type: 'substring', list: ['sinkhole'] },
    { type: 'regex', list: ['/^cdn-\\d+\\./i', '(a+)+$', '(?=x)'] },
  ]
  const plain = [
    'exact.example',
    'www.hosted.example',
    'http://www.hosted.example/bad.exe',
    '192.0.2.1',
    '2001:db8::1',
    'my-sinkhole.example',
    'cdn-12.example',
    'kept.example',
    `${'a'.repeat(60)}.example`,
  ].join('\n')
  const { index, lists: told } = compile(feed('plain', plain), feed('misp-warninglist', JSON.stringify(lists)))
  t.match(told, [
    { entries: 3, suppressed: 6 },
    { entries: 7, failed: 1 },
  ])
  t.same(found(index, 'exact.example www.hosted.example 192.0.2.1 my-sinkhole.example cdn-12.example'), [])
  t.same(found(index, 'kept.example http://www.hosted.example/bad.exe').length, 2)
})

t.test('plain lists: one a line, hosts files too', async (t) => {
  const { index, lists } = compile(
    feed('plain', '# bad\nbad.example # why\n0.0.0.0 blocked.example\n10.0.0.0/8\n\nno such thing\n'),
  )
  t.match(lists[0], { entries: 3, failed: 1, problems: [{ line: 6 }] })
  t.same(found(index, 'bad.example blocked.example 10.1.2.3').length, 3)
})

t.test('the format of a file is guessed by its name and its content', async (t) => {
  const warninglist = '{"type":"cidr","list":["10.0.0.0/8"]}'
  const files = [URLHAUS, THREATFOX, OSV, STIX, warninglist, 'bad.example\n']
  const formats = ['urlhaus', 'threatfox', 'osv', 'stix', 'misp-warninglist', 'plain']
  t.same(
    files.map((text) => guessFormat('list', text)),
    formats,
  )
  t.same(guessFormat('list', `${OSV}\n${OSV}\n`), 'osv')
})

t.test('nothing that a list may hold makes a reader throw', async (t) => {
  const texts = fc.oneof(
    fc.string(),
    fc.json(),
    fc.constantFrom(URLHAUS, THREATFOX, OSV, STIX).chain((text) => fc.nat(text.length).map((at) => text.slice(at))),
    fc
      .array(fc.constantFrom('"', ',', '\n', ' ', 'a', '\\', '[', ']', "'", 'http://a.b/', '#', '{', '}'), {
        maxLength: 200,
      })
      .map((parts) => parts.join('')),
  )
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.constantFrom(...FEED_FORMATS), texts, (format, text) => {
        const { index } = compile(feed(format, text))
        createThreatIntelDetector([index]).detect(text, { source: 'tool_call' })
      }),
      { numRuns: 400 },
    ),
  )
})

t.test('the time for each character of a hostile list does not grow with its length', async (t) => {
  const cpuMs = (format: FeedFormat, text: string): number => {
    let best = Number.POSITIVE_INFINITY
    for (let run = 0; run < 4; run++) {
      const before = process.cpuUsage()
      compile(feed(format, text))
      const { user, system } = process.cpuUsage(before)
      best = Math.min(best, (user + system) / 1_000)
    }
    return best
  }
  for (const [format, unit] of [
    ['urlhaus', '"'],
    ['urlhaus', '""",'],
    ['threatfox', ' ,"'],
    ['plain', 'a.'],
    ['plain', '# '],
    ['stix', '{"type":"indicator","pattern":"[url:value = \'a\' OR "}\n'],
  ] as const) {
    const small = unit.repeat(40_000 / unit.length)
    const ratio = cpuMs(format, small.repeat(8)) / 8 / Math.max(1, cpuMs(format, small))
    t.ok(ratio < 3, `${format} ${unit}: ${ratio.toFixed(1)}`)
  }
})
