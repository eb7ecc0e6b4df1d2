import type { SegmentSource } from '@agentcostcontrol/contract'
import t from 'tap'
import { createThreatIntelDetector, selfTest } from '../index.ts'
import { SHA256, smallIndex } from './support/threat-lists.ts'

const detector = createThreatIntelDetector([smallIndex()])

const found = (text: string, source: SegmentSource = 'user'): readonly string[] =>
  detector.detect(text, { source }).map(({ ruleId, start, end }) => `${ruleId} ${text.slice(start, end)}`)

t.test('its canary is found with any index and with none', async (t) => {
  t.ok(selfTest(detector))
  t.ok(selfTest(createThreatIntelDetector([])))
  t.not(detector.version, createThreatIntelDetector([]).version)
})

t.test('a listed domain is found however it is written, and every host below it', async (t) => {
  for (const written of [
    'evil.example',
    'EVIL.Example',
    'a.b.evil.example',
    'evil.example.',
    'evil[.]example',
    'evil[dot]example',
    'a[.]evil(.)example',
    '%65vil.example',
    'evil。example',
  ])
    t.same(found(`go to ${written}`).length, 1, written)
  t.same(found('see https://user:pw@evil.example:8443/x?y#z, then stop'), ['domain evil.example:8443/x?y#z,'])
  t.same(found('hxxps://evil[.]example/path'), ['domain evil[.]example/path'])
  t.same(found('mail bob@evil.example'), ['domain evil.example'])
  t.same(found('https://good.example/?to=https%3A%2F%2Fevil.example%2Fa').length, 1)
  t.same(found('{"text":"line\\nevil.example"}'), ['domain evil.example'])
  t.same(found('http://bücher-lure.example/').length, 1)
  t.same(found('http://xn--bcher-lure-9db.example/').length, 1)
  t.same(found('请访问evil.example。'), ['domain evil.example'])
})

t.test('what only resembles a listed domain is not found', async (t) => {
  for (const written of [
    'notevil.example',
    'evil.example.com',
    'evil.exampl',
    'evil-example',
    'example',
    'evil .example',
  ])
    t.same(found(`go to ${written}`), [], written)
})

t.test('a URL is found by its path and what is below it, in any notation, and not by its host', async (t) => {
  for (const written of [
    'http://evil-files.test/a/setup.exe',
    'https://EVIL-FILES.test:443/a/setup.exe?x=1',
    'http://evil-files.test/b/../a/./setup.exe',
    'http://evil-files.test/%61/setup%2eexe',
    'http://evil-files.test/a/setup.exe/more',
    'hxxp://evil-files[.]test/a/setup.exe',
    '[here](http://evil-files.test/a/setup.exe)',
    'run http://evil-files.test/a/setup.exe.',
    'http://evil-files.test/a/setup.exe。然后',
    'http:\\/\\/evil-files.test\\/a\\/setup.exe',
  ])
    t.match(found(written)[0], /^url /, written)
  for (const written of ['http://evil-files.test/', 'http://evil-files.test/a/setup.exe2', 'http://evil-files.test/a'])
    t.same(found(written), [], written)
})

t.test('on a shared host the path counts and never the host', async (t) => {
  t.match(found('git clone https://github.com/attacker/loader')[0], /^url /)
  t.match(found('https://github.com/attacker/loader/raw/main/x.sh')[0], /^url /)
  t.same(found('https://github.com/attacker/loader2'), [])
  t.same(found('https://github.com/honest/project'), [])
})

t.test('addresses are found in any notation, by network, and with their port', async (t) => {
  for (const written of [
    '198.51.100.7',
    'http://198.51.100.7/x',
    'http://3325256711/',
    'http://0xC6336407/',
    'http://0306.063.0144.07/',
    'http://198.51.25607/',
    '192.0.2.63',
    'http://[2001:db8:bad::1]:8080/',
    '2001:db8:bad:0::9',
    'http://203.0.113.9:8080/bin.sh',
  ])
    t.equal(found(written).length, 1, written)
  for (const written of ['198.51.100.8', '192.0.2.64', '2001:db8:bae::1', 'http://203.0.113.9/bin.sh', '1198.51.100.7'])
    t.same(found(written), [], written)
  const severities = ['203.0.113.77:4444', '203.0.113.77'].map(
    (text) => detector.detect(text, { source: 'user' })[0]?.severity,
  )
  t.same(severities, ['high', 'medium'])
})

t.test('files are found by their hashes, in either case, and not by a part of a longer number', async (t) => {
  t.same(found(`sha256:${SHA256.toUpperCase()}`), [`file-hash ${SHA256.toUpperCase()}`])
  t.same(found('md5 d41d8cd98f00b204e9800998ecf8427e.').length, 1)
  t.same(found(`${SHA256}00`), [])
})

t.test('packages are found where they are installed', async (t) => {
  t.same(found('npm install evil-pad'), ['package evil-pad'])
  t.same(found('$ sudo npm i -g --silent left-pad evil-pad@1.0.0 && ls'), ['package evil-pad@1.0.0'])
  t.same(found('pnpm add @scope/evil'), ['package @scope/evil'])
  t.same(found('npx -y evil-pad --help'), ['package evil-pad'])
  t.same(found('`python -m pip install evil.requests==2.0`'), ['package evil.requests==2.0'])
  t.same(found('/usr/bin/npm install evil-pad'), ['package evil-pad'])
  t.same(found('{"command":"cd x\\nnpm install evil-pad\\nls"}', 'tool_call'), ['package evil-pad'])
  t.same(found('uv add evil-requests; yarn add evil-pad').length, 2)
  for (const text of ['evil-pad', 'npm run evil-pad', 'pip install evil-pad', 'npm install good to replace evil-pad'])
    t.same(found(text), [], text)
})

t.test('of a package that was taken over the bad versions are found, and the others are not', async (t) => {
  t.same(found('npm install taken-over@4.4.2').length, 1)
  for (const text of ['npm install taken-over', 'npm install taken-over@4.4.1', 'npm i taken-over@^4.0.0'])
    t.same(found(text), [], text)
  for (const version of ['1.2.0', '1.3.9', '1.4.0-rc.1']) t.same(found(`npm i ranged@${version}`).length, 1, version)
  for (const version of ['1.1.9', '1.4.0', '2.0.0']) t.same(found(`npm i ranged@${version}`), [], version)
})

t.test('lists of dependencies are read in the calls of tools', async (t) => {
  const json = JSON.stringify(
    { name: 'x', dependencies: { good: '1.0.0', 'evil-pad': '^1.2.0', 'taken-over': '4.4.2' } },
    null,
    2,
  )
  const call = JSON.stringify({ path: 'package.json', content: json })
  t.same(found(call, 'tool_call'), ['package evil-pad', 'package taken-over'])
  t.same(found(json, 'tool_call'), ['package evil-pad', 'package taken-over'])
  t.same(found(call, 'tool_result'), [])
  t.same(found('{"content":"requests==2\\nevil-requests==1.0\\n"}', 'tool_call').length, 1)
})
