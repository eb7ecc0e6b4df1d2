/** A small index, and texts with what it lists. Reserved names and addresses alone (RFC 2606, 5737, 3849). */
import { createIndexBuilder } from '../../threat-intel/index-builder.ts'
import type { Listed } from '../../threat-intel/indicator.ts'
import { ALNUM, type Random } from './random.ts'

/** SHA-256 of nothing. */
export const SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

const LISTED: readonly Listed[] = [
  { kind: 'domain', value: 'evil.example' },
  { kind: 'domain', value: 'bücher-lure.example' },
  { kind: 'domain', value: 'github.com' },
  { kind: 'url', value: 'http://evil-files.test/a/setup.exe' },
  { kind: 'url', value: 'https://github.com/attacker/loader' },
  { kind: 'url', value: 'http://203.0.113.9:8080/bin.sh' },
  { kind: 'ip', value: '198.51.100.7', port: null },
  { kind: 'ip', value: '192.0.2.0/26', port: null },
  { kind: 'ip', value: '2001:db8:bad::/48', port: null },
  { kind: 'ip', value: '203.0.113.77', port: 4444 },
  { kind: 'file-hash', value: SHA256 },
  { kind: 'file-hash', value: 'D41D8CD98F00B204E9800998ECF8427E' },
  { kind: 'package', ecosystem: 'npm', name: 'evil-pad', versions: null },
  { kind: 'package', ecosystem: 'npm', name: '@scope/evil', versions: null },
  { kind: 'package', ecosystem: 'npm', name: 'taken-over', versions: { exact: ['4.4.2'], ranges: [] } },
  {
    kind: 'package',
    ecosystem: 'npm',
    name: 'ranged',
    versions: { exact: [], ranges: [{ from: '1.2.0', to: '1.4.0', inclusive: false }] },
  },
  { kind: 'package', ecosystem: 'pypi', name: 'Evil_Requests', versions: null },
]

/** The index. */
export function smallIndex(): SharedArrayBuffer {
  const builder = createIndexBuilder()
  for (const listed of LISTED) builder.add({ ...listed, threat: 'malware', severity: 'high' })
  return builder.build()
}

const PLANTED = [
  'evil.example',
  'a.b.evil.example',
  'evil[.]example',
  'evil[dot]example',
  '%65vil.example',
  'evil。example',
  'http://bücher-lure.example/x',
  'http://evil-files.test/a/setup.exe',
  'hxxp://evil-files[.]test/b/../a/setup.exe?x=1',
  'https://user:pw@evil.example:8443/x?y#z',
  'https://github.com/attacker/loader/raw/x.sh',
  'http://203.0.113.9:8080/bin.sh',
  '198.51.100.7',
  'http://3325256711/',
  'http://0xC6336407/a',
  'http://[2001:db8:bad::1]:8080/',
  '2001:db8:bad::9',
  '203.0.113.77:4444',
  SHA256,
  'd41d8cd98f00b204e9800998ecf8427e',
  'npm install evil-pad',
  'npx -y evil-pad --help',
  'pnpm add left @scope/evil',
  'pip install "evil.requests==2.0" six',
  'npm i taken-over@4.4.2',
  'https://good.example/?to=https%3A%2F%2Fevil.example%2Fa',
]
const WORDS =
  'the a of visit evil example evil. .example github.com good.example http:// https://good.example/a/b?c=d hxxp 1.2.3 10.0.0.1 v1.2.3 npm install i add pip yarn and bun uv // [ ] ( ) : , . ; " \n / % @ é 日本 。 😀 [.] foo.bar(baz) a.b.c index.ts e3b0c442 x@y.z \\n \\"'.split(
    ' ',
  )

/** A text with some of it, whole or cut off. */
export function textWithThreats(random: Random): string {
  let text = ''
  const parts = 1 + random.below(10)
  for (let part = 0; part < parts; part++) {
    const planted = random.pick(PLANTED)
    const kind = random.below(8)
    if (kind < 3) text += planted
    else if (kind === 3) text += planted.slice(0, random.below(planted.length))
    else if (kind === 4) text += random.chars(`${ALNUM}./-`, random.below(300))
    else text += Array.from({ length: random.below(8) }, () => random.pick(WORDS)).join(random.pick([' ', '']))
    text += random.pick([' ', ' ', '\n', '', '. ', '"', ')'])
  }
  return text
}
