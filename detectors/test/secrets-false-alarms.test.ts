import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { secretsDetector } from '../index.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const FILES_MAX = 3_000
const FILE_BYTES_MAX = 400_000
const READABLE = /\.(?:[cm]?[jt]s|json|md|ya?ml)$/

/** Our own packages are links there, and their tests hold secrets on purpose. */
function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => name !== '@agentcostcontrol')
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(join(folder, entry.name)) : []))
    .toSorted()
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && READABLE.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}

t.test('source code, documentation and lock files of the dependencies raise no alarm that would block', async (t) => {
  const all = filesIn(join(ROOT, 'node_modules'))
  const every = Math.max(1, Math.floor(all.length / FILES_MAX))
  const files = all.filter((_, index) => index % every === 0)
  const counts = { files: 0, chars: 0, low: 0, medium: 0, high: 0, critical: 0 }
  for (const file of [join(ROOT, 'package-lock.json'), ...files]) {
    if (statSync(file).size > FILE_BYTES_MAX) continue
    const text = readFileSync(file, 'utf8')
    counts.files++
    counts.chars += text.length
    for (const { severity, ruleId, start } of secretsDetector.detect(text, { source: 'tool_result' })) {
      counts[severity]++
      if (severity === 'high' || severity === 'critical') t.fail(`${ruleId} in ${file} at ${start}`)
    }
  }
  t.comment(JSON.stringify(counts))
  t.ok(counts.files > 500, 'there was something to look at')
  t.ok(counts.low + counts.medium <= counts.files / 500, 'and hardly one that would alert')
})

t.test('what stands in place of secrets in documentation is none', async (t) => {
  const honest = [
    `aws_access_key_id = ${'AKIA'}IOSFODNN7EXAMPLE`,
    'aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    'OPENAI_API_KEY=sk-your-api-key-goes-in-this-place-0',
    `export KEY=sk-${'x'.repeat(48)}`,
    `token: ghp_${'0'.repeat(36)}`,
    `token: ghp_${'abcdefghijklmnopqrstuvwxyz0123456789'}`,
    `password = "\${DB_PASSWORD_2}"`,
    'password: "<your password 1>"',
    'api_key="{{ secrets.API_KEY_1 }}"',
    'api_key = "INSERT_YOUR_KEY_HERE_123"',
    'postgres://postgres:postgres@localhost:5432/app',
    'mongodb://user:password@localhost/db',
    'https://user:pass@example.com/',
    'Authorization: Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW',
    '{ "access_token":"2YotnFZFEjr1zCsicMWpAA", "refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA" }',
    'oauth_token="kkk9d7dh3k39sjv7", oauth_signature="x"',
    `jwt.decode("${'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9'}.eyJzb21lIjoicGF5bG9hZCJ9.4twFt5NiznN84AWoo1d7KO1T_yoc0Z6XOpOVswacPZg")`,
    `redis://:\${REDIS_PASSWORD}@cache:6379`,
    'const password = getPassword(user1)',
    'if (secret === "application/vnd.github.v3+json") return',
    'the risk-adjusted task-oriented disk-based mask-and-desk-sharing approach is well known by now',
    '"integrity": "sha512-9bxJtZ2H8mD0pQbCvJ3ZzVnB3J1R2uV8c6J1t5mYt8iA8m1Z0u9QxXvYb7r8dWkqT0Lr3wS5pN6fGh2jK4lZxA=="',
    '-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ\n-----END CERTIFICATE-----',
    'A key begins with -----BEGIN PRIVATE KEY----- and then there are some lines of base64, as everybody knows by now.',
    'The commit is 3f786850e387550fdab836ed7e6dc881de23001b, see the log.',
    'uuid: 123e4567-e89b-42d3-a456-426614174000',
  ]
  for (const text of honest) t.strictSame(secretsDetector.detect(text, { source: 'user' }), [], text)
})
