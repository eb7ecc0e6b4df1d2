import fc from 'fast-check'
import t from 'tap'
import { piiDetector } from '../index.ts'
import { ibanChecks, isMonthDay, luhn, mod11And10, verhoeff } from '../pii/checksums.ts'
import { KEYWORDS } from '../pii/keywords.ts'
import { NUMBERS, plantNumber } from './support/people.ts'
import { createRandom } from './support/random.ts'

const found = (text: string): readonly string[] =>
  piiDetector.detect(text, { source: 'user' }).map(({ ruleId, start, end }) => `${ruleId} ${text.slice(start, end)}`)

t.test('numbers that authorities and standards print as examples are found', async (t) => {
  const examples: readonly (readonly [rule: string, text: string])[] = [
    ['credit-card', '4111 1111 1111 1111'],
    ['credit-card', '5555-5555-5555-4444'],
    ['credit-card', '3782 822463 10005'],
    ['credit-card', '6011111111111117'],
    ['iban', 'GB29 NWBK 6016 1331 9268 19'],
    ['iban', 'NO9386011117947'],
    ['iban', 'MT84MALT011000012345MTLCAST001S'],
    ['us-ssn', 'SSN 536-90-4399'],
    ['uk-nino', 'AB 12 34 56 C'],
    ['uk-nino', 'NINO: AB123456C'],
    ['uk-nhs-number', 'NHS number 943 476 5919'],
    ['de-tax-id', 'Steuer-ID 86 095 742 719'],
    ['fr-nir', '2 55 08 14 168 025 38'],
    ['es-dni', 'DNI 12345678Z'],
    ['es-nie', 'NIE X1234567L'],
    ['it-codice-fiscale', 'RSSMRA85T10A562S'],
    ['nl-bsn', 'BSN 111222333'],
    ['be-national-number', '85.07.30-033.28'],
    ['pl-pesel', 'PESEL 44051401359'],
    ['se-personnummer', 'personnummer 811218-9876'],
    ['no-fodselsnummer', 'fødselsnummer 15108695088'],
    ['dk-cpr', 'CPR 211062-5629'],
    ['fi-hetu', '131052-308T'],
    ['br-cpf', '529.982.247-25'],
    ['br-cnpj', '16.727.230/0001-97'],
    ['in-aadhaar', 'Aadhaar 2341 2341 2346'],
    ['in-pan', 'PAN: ACUPA7085R'],
    ['ca-sin', 'SIN 123-456-782'],
    ['au-tfn', 'TFN 123 456 782'],
    ['au-abn', 'ABN 51 824 753 556'],
    ['cl-rut', '12.531.909-2'],
    ['kr-rrn', '971013-9019902'],
    ['cn-resident-id', '11010519491231002X'],
    ['jp-my-number', 'My Number: 6214 9832 0257'],
    ['sg-nric', 'S1234567D'],
    ['tr-identity-number', 'TC Kimlik No 17291716060'],
    ['za-identity-number', 'RSA ID 7503305044089'],
  ]
  for (const [rule, text] of examples) {
    const [one, ...others] = found(text)
    t.ok(one?.startsWith(`${rule} `), `${text}: ${one}`)
    t.strictSame(others, [], text)
  }
})

t.test('a number of every rule is found behind a word that says what it is', async (t) => {
  const random = createRandom(6)
  let [all, covered] = [0, 0]
  for (const rule of NUMBERS) {
    let ofRule = 0
    for (let run = 0; run < 12; run++) {
      const { text, start, end } = plantNumber(rule, random)
      const findings = piiDetector.detect(text, { source: 'user' })
      if (findings.some((finding) => finding.start <= start && finding.end >= end)) ofRule++
    }
    if (ofRule < 10) t.fail(`${rule.id}: ${ofRule} of 12`)
    all += 12
    covered += ofRule
  }
  t.comment(`${covered} of ${all}`)
  t.ok(covered > all * 0.98)
})

/** Rules whose check digit finds every single changed digit. */
const STRICT = [
  'credit-card',
  'iban',
  'uk-nhs-number',
  'de-tax-id',
  'fr-nir',
  'es-dni',
  'it-codice-fiscale',
  'nl-bsn',
  'pl-pesel',
  'se-personnummer',
  'no-fodselsnummer',
  'fi-hetu',
  'in-aadhaar',
  'ca-sin',
  'au-tfn',
  'au-abn',
  'cn-resident-id',
  'za-identity-number',
]

t.test('with one digit changed it is no number of that rule any more', async (t) => {
  const random = createRandom(7)
  for (const rule of NUMBERS.filter(({ id }) => STRICT.includes(id))) {
    for (let run = 0; run < 12; run++) {
      const { text, start, end } = plantNumber(rule, random)
      const digits = [...text.slice(start, end)].flatMap((char, index) => (/\d/.test(char) ? [start + index] : []))
      const at = random.pick(digits)
      const other = (Number(text[at]) + 1 + random.below(9)) % 10
      const changed = text.slice(0, at) + other + text.slice(at + 1)
      const wrong = piiDetector
        .detect(changed, { source: 'user' })
        .find((finding) => finding.ruleId === rule.id && finding.start <= start && finding.end >= end)
      if (wrong) t.fail(`${rule.id}: ${changed} after ${text}`)
    }
  }
  t.pass()
})

const digits = (count: number): fc.Arbitrary<string> =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: count, maxLength: count }).map((list) => list.join(''))

t.test('of the ten last digits exactly one is right, for Luhn, Verhoeff and MOD 11,10', async () => {
  for (const check of [luhn, verhoeff, mod11And10]) {
    fc.assert(
      fc.property(digits(10), (head) => {
        return [...'0123456789'].filter((last) => check(head + last)).length === 1
      }),
    )
  }
})

t.test('every IBAN has exactly one pair of check digits from 02 to 98', async () => {
  fc.assert(
    fc.property(fc.constantFrom('DE', 'FR', 'NL', 'GB'), digits(18), (country, account) => {
      const right = Array.from({ length: 97 }, (_, index) => String(index + 2).padStart(2, '0')).filter((pair) =>
        ibanChecks(country + pair + account),
      )
      return right.length === 1
    }),
  )
})

t.test('months and days are those of the calendar', async (t) => {
  t.ok(isMonthDay('02', '29'))
  for (const [month, day] of [
    ['00', '01'],
    ['13', '01'],
    ['02', '30'],
    ['04', '31'],
    ['01', '00'],
  ] as const) {
    t.notOk(isMonthDay(month, day), `${month}-${day}`)
  }
})

t.test('what a check digit alone would take for a number is none without a word for it', async (t) => {
  const silent = [
    'id: 44051401359,',
    '"timestamp": 1609459200000,',
    'const x = 111222333',
    '0.4111111111111111',
    'v4111111111111111',
    'https://example.com/p/4111111111111111/x',
    'sha 4111111111111111aabbcc',
    'order 123456782 shipped',
    'build 20160101-1234 of 2016-01-01',
    '1.2.3.4-5.6.7',
    '2012-08-13T10:11:12.123456789Z',
    'f(100, 200, 300) 1024 2048 4096 8192',
    'uuid 123e4567-e89b-42d3-a456-426614174000',
    'logo@2x.png git@github.com:acme/app.git @types/node@24.1.0',
    'write to someone@example.com or admin@localhost',
    'postgres://app:secret@db.internal.acme.io:5432/main',
    'SSN 000-12-3456, 666-12-3456, 900-12-3456, 123-00-4567, 123-45-0000',
    '+1 000 000 0000 and +999 12345678',
    'Section 4, Node 24, Figure 12 and Table 3',
  ]
  for (const text of silent)
    t.strictSame(
      found(text).filter((one) => !/^(?:domain|ip-address)/.test(one)),
      [],
      text,
    )
})

t.test('words of two groups do not contradict each other', async (t) => {
  for (const [group, words] of Object.entries(KEYWORDS)) {
    t.equal(new Set(words).size, words.length, group)
    for (const word of words) t.equal(word, word.toLowerCase(), word)
  }
})
