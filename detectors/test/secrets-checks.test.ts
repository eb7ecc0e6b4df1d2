import t from 'tap'
import { secretsDetector } from '../index.ts'
import { base62Crc32, entropyBits, grafanaChecksum, runCheck } from '../secrets/checks.ts'
import { ALNUM, createRandom } from './support/random.ts'

const random = createRandom(3)

t.test(
  'a GitHub or npm token with a right checksum is certain, with a wrong one less so, and both are found',
  async (t) => {
    // A revoked token that was published to explain the format (public gist on base-62 tokens).
    t.equal(base62Crc32('zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ'), '0mLq17')
    const body = random.chars(ALNUM, 30)
    for (const [prefix, ruleId] of [
      ['ghp_', 'github-personal-access-token'],
      ['npm_', 'npm-access-token'],
    ] as const) {
      const right = secretsDetector.detect(`${prefix}${body}${base62Crc32(body)}`, { source: 'user' })
      const wrong = secretsDetector.detect(`${prefix}${body}${base62Crc32(`${body}x`)}`, { source: 'user' })
      t.match(right, [{ ruleId, severity: 'critical' }])
      t.match(wrong, [{ ruleId, severity: 'high' }])
      t.ok((wrong[0]?.score ?? 1) < (right[0]?.score ?? 0))
    }
  },
)

t.test('the checksum of a Grafana token is the one of its documentation', async (t) => {
  t.equal(grafanaChecksum('glsa_yscW25imSKJIuav8zF37RZmnbiDvB05G'), 'fcaaf58a')
  t.equal(runCheck('crc32-hex', 'glsa_yscW25imSKJIuav8zF37RZmnbiDvB05G_fcaaf58b'), 'weak')
})

t.test('three parts with dots are a JSON Web Token only if the first says an algorithm', async (t) => {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const token = (head: unknown): string =>
    `${part(head)}.${part({ sub: random.chars(ALNUM, 20) })}.${random.chars(ALNUM, 43)}`
  t.match(secretsDetector.detect(token({ alg: 'RS256' }), { source: 'user' }), [{ ruleId: 'jwt', severity: 'medium' }])
  t.strictSame(secretsDetector.detect(token({ foo: 'RS256' }), { source: 'user' }), [])
  const service = `${part({ alg: 'HS256' })}.${part({ role: 'service_role', iss: random.chars(ALNUM, 9) })}.${random.chars(ALNUM, 43)}`
  t.match(secretsDetector.detect(service, { source: 'user' }), [
    { ruleId: 'supabase-service-key', severity: 'critical' },
  ])
})

t.test('Basic credentials are decoded', async (t) => {
  const encode = (text: string): string => Buffer.from(text, 'latin1').toString('base64')
  t.equal(runCheck('basic-auth', encode('deploy:s3cret')), 'pass')
  t.equal(runCheck('basic-auth', encode('no colon here')), 'fail')
  t.equal(runCheck('basic-auth', encode('bin\u0001\u0002:abcdef')), 'fail')
})

t.test('the password of a connection string is no tutorial one; without a digit it is less certain', async (t) => {
  for (const password of ['postgres', 'Password123', 'secret', 'my-secret-pw', 'changeme1', '$PASSWORD', '12345678']) {
    const [finding] = secretsDetector.detect(`postgres://app:${password}@db/app`, { source: 'user' })
    t.equal(finding, undefined, password)
  }
  t.match(secretsDetector.detect('postgres://app:Tr0ubad0ur@db/app', { source: 'user' }), [
    { severity: 'high', start: 15, end: 25 },
  ])
  t.match(secretsDetector.detect('postgres://app:trombonist@db/app', { source: 'user' }), [{ severity: 'medium' }])
})

t.test('entropy is that of Shannon', async (t) => {
  t.equal(entropyBits(''), 0)
  t.equal(entropyBits('aaaa'), 0)
  t.equal(entropyBits('abcd'), 2)
  t.ok(Math.abs(entropyBits('aab') - 0.9183) < 1e-4)
  t.equal(entropyBits('ab'.repeat(1000)), 1)
})
