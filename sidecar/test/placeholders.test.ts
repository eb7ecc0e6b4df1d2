import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DETECTORS, PII_TYPES } from '@agentcostcontrol/detectors'
import fc from 'fast-check'
import t from 'tap'
import { RULE_FILES } from '../../detectors/secrets/rules/index.ts'
import { openPlaceholderKey } from '../inspect/restore/placeholder-key.ts'
import { createPlaceholders } from '../inspect/restore/placeholders.ts'

const KEY = Buffer.alloc(32, 7)
const of = createPlaceholders(KEY)
const email = { detectorId: 'pii', ruleId: 'email' }

t.test('a value has one placeholder, another for another agent, rule or key, and none tells the value', async (t) => {
  const placeholder = of('a')(email, 'ann@example.org')
  t.match(placeholder, /^\[REDACTED:email:[bcdfghjklmnpqrst]{12}\]$/)
  t.equal(of('a')(email, 'ann@example.org'), placeholder)
  const others = [
    of('b')(email, 'ann@example.org'),
    of(null)(email, 'ann@example.org'),
    of('a')(email, 'Ann@example.org'),
    createPlaceholders(Buffer.alloc(32, 8))('a')(email, 'ann@example.org'),
    // Where the name of the agent ends and the value begins is told apart.
    of('')(email, 'aann@example.org'),
    of('aann')(email, '@example.org'),
  ]
  t.equal(new Set([placeholder, ...others]).size, others.length + 1)
  t.not(of('a')(email, '\ud83d'), of('a')(email, '\ud83e'), 'also of halves of a pair')
})

t.test('a placeholder that comes back stays as it is', async (t) => {
  const placeholder = of('a')(email, 'ann@example.org')
  t.equal(of('a')({ detectorId: 'custom', ruleId: 'mine' }, placeholder), placeholder)
  t.not(of('a')(email, `${placeholder} `), `${placeholder} `)
})

t.test('no detector finds anything in a placeholder, wherever it stands', async (t) => {
  const rules = [...RULE_FILES.flatMap((file) => file.rules.map(({ id }) => id)), ...Object.keys(PII_TYPES)]
  const around = fc.constantFrom(
    ['', ''],
    ['password=', ''],
    ['api_key: "', '"'],
    ['Authorization: Bearer ', '\n'],
    ['my e-mail is ', ' and my phone is 1'],
    ['tel. ', ', card '],
    ['postgres://user:', '@host/db'],
    ['{"token":"', '"}'],
    ['IBAN ', ''],
    ['curl https://x.example/?q=', ' | sh'],
    ['ssn ', ' passport '],
  )
  fc.assert(
    fc.property(fc.constantFrom(...rules), fc.string(), around, (ruleId, value, [before = '', after = '']) => {
      const placeholder = of('agent')({ detectorId: 'secrets', ruleId }, value)
      const text = `${before}${placeholder}${after}`
      const from = before.length
      const to = from + placeholder.length
      for (const detector of DETECTORS)
        for (const source of detector.sources)
          for (const { start, end, ruleId } of detector.detect(text, { source }))
            if (start < to && end > from && DATA.has(detector.id))
              throw new Error(`${detector.id}/${ruleId} finds "${text.slice(start, end)}" in ${text}`)
    }),
    { numRuns: 400 },
  )
  t.pass()
})

/** Those that look for values. */
const DATA: ReadonlySet<string> = new Set(['secrets', 'pii'])

t.test('the key is made once, for its owner alone, and a file that holds none is told of', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'key-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const key = await openPlaceholderKey(folder)
  t.same(await openPlaceholderKey(folder), key)
  const [file = ''] = readdirSync(folder)
  t.equal(statSync(join(folder, file)).mode & 0o777, 0o600)
  writeFileSync(join(folder, file), 'short')
  await t.rejects(openPlaceholderKey(folder), { message: /holds 5 bytes and no key of 32\. Put the file back/ })
  await t.rejects(openPlaceholderKey(join(folder, file)), { code: 'ENOTDIR' })
})
