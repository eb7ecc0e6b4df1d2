import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import type { SegmentSource } from '@agentcostcontrol/contract'
import t from 'tap'
import { DETECTORS } from '../index.ts'
import { readableFiles } from './support/files.ts'
import { asBase64, asUrl } from './support/smuggled.ts'

const detector = DETECTORS.find(({ id }) => id === 'smuggling')
const find = (text: string, source: SegmentSource = 'tool_result') => detector?.detect(text, { source }) ?? []
const FILES_MAX = 3_000

const QUIET: Readonly<Record<string, string>> = {
  'emoji of families, flags and professions': '👩‍👩‍👧‍👦 🏴󠁧󠁢󠁥󠁮󠁧󠁿 👩🏽‍🚀 ❤️‍🔥 🏳️‍🌈 1️⃣2️⃣3️⃣ ☎️✈️☀️❄️',
  Persian: 'می‌خواهم کتاب‌ها را بخوانم',
  Hindi: 'क्‍षेत्र और श्रीमान्‌ जी',
  'Hebrew and Arabic with marks': 'שלום\u200f! \u202bمرحبا\u202c (\u200eC++\u200f) \u202eאבג',
  'a phone number as a phone copies it': 'Call \u202d+1 555 0100\u202c now',
  'a mark of byte order': '\ufeffname,value\na,1\n',
  'soft hyphens': 'Donau\u00addampf\u00adschiff\u00adfahrts\u00adgesell\u00adschaft',
  'the padding of a newsletter': '\u034f \u200c \u00ad'.repeat(80) + '\u200c\u00a0'.repeat(80),
  'mathematics in letters of its own': 'Let 𝑓: 𝔸→𝔹 and 𝐱𝐲𝐳𝐰 be given, αβγ-test, TNFα, μm, Δt, π-bonds',
  'Cyrillic among Latin': 'Привет, мир! COVID-19 и USB-кабель, Windows-сервер, T-shirtы',
  'a picture': `![x](data:image/png;base64,${Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47]), randomBytes(300)]).toString('base64')})`,
  'a source map': `//# sourceMappingURL=data:application/json;base64,${asBase64(JSON.stringify({ version: 3, sources: ['a.ts'], sourcesContent: ['export const add = (a: number, b: number) => a + b\n'] }))}`,
  hashes: [...Array(40).keys()]
    .map((n) =>
      createHash('sha512')
        .update(`${n}`)
        .digest(n % 2 ? 'hex' : 'base64'),
    )
    .join('\n'),
  'a certificate': generateKeyPairSync('rsa', { modulusLength: 2_048 })
    .publicKey.export({ type: 'spki', format: 'pem' })
    .toString(),
  'a token': [
    { alg: 'HS256', typ: 'JWT' },
    { sub: '1234567890', name: 'John Doe', admin: true, iat: 1516239022 },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.'),
  'a link that goes on to another': `https://login.example.com/?redirect_uri=${encodeURIComponent('https://app.example.com/callback?x=1&y=2')}&scope=a%20b%20c%20d%20e`,
  'a letter in escapes': `https://ja.example.org/${encodeURIComponent('日本語の長い題名のページ')} ${asUrl('Dear colleagues, the meeting is at ten')}`,
  'text in base64': asBase64('The quarterly report is attached. Kind regards, the accounting team.'),
  'paths and names':
    '/usr/local/lib/node_modules/npm/node_modules/@npmcli/arborist/lib/arborist/index-of-something.js\n'.repeat(9),
  'letters apart':
    'A B C D E F G H I J K L M N O P Q R S T U V W X Y Z\n| a | b | c | d | e | f | g | h |\n1 2 3 4 5 6 7 8 9',
  'rules and tables': `${'- '.repeat(60)}\n${'-.'.repeat(60)}\n|---|---|---|\n. . . . . . . . .\n... --- ...`,
}

t.test('honest uses of the same characters and encodings raise nothing', async (t) => {
  for (const [name, text] of Object.entries(QUIET))
    for (const source of ['user', 'tool_result', 'tool_call', 'tool_definition', 'system', 'assistant'] as const)
      t.same(find(text, source), [], `${name} from ${source}`)
})

t.test('source code, documentation and lock files of the dependencies hardly raise an alarm', async (t) => {
  const counts = { files: 0, told: 0, stopped: 0 }
  for (const { file, text } of readableFiles(FILES_MAX)) {
    counts.files++
    const found = find(text)
    if (found.length === 0) continue
    counts.told++
    t.comment(
      `${file}: ${found
        .map(({ ruleId, severity, start }) => `${ruleId} ${severity} ${start}`)
        .slice(0, 4)
        .join(', ')}`,
    )
    if (found.some(({ severity }) => severity === 'high' || severity === 'critical')) counts.stopped++
  }
  t.comment(JSON.stringify(counts))
  t.ok(counts.files > 500, 'there was something to look at')
  t.equal(counts.stopped, 0, 'none that would be blocked')
  t.ok(counts.told <= counts.files / 500, 'and hardly one that would be told')
})
