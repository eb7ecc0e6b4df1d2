/** Numbers of people who do not exist, made from the rules: right in form and in check digits. */
import { RULES } from '../../pii/compile.ts'
import { KEYWORDS } from '../../pii/keywords.ts'
import type { PiiRule } from '../../pii/rule.ts'
import { parsePattern } from '../../scan/pattern.ts'
import { sample } from './generate.ts'
import type { Random } from './random.ts'

/** A number, and where it stands in a text. */
export interface Person {
  readonly text: string
  readonly start: number
  readonly end: number
}

const TRIES = 200_000
const SEPARATORS = /[ .\-/]/g

/** Rules with numbers of their own; places are written by hand. */
export const NUMBERS: readonly PiiRule[] = RULES.filter(({ category }) => category !== 'address')

/** A text of a form that a rule accepts. */
function numberOf(rule: PiiRule, random: Random): string {
  const { pattern } = random.pick(rule.forms)
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const { whole } = sample(parsePattern(pattern), random)
    if (!rule.accepts || rule.accepts(whole.replace(SEPARATORS, '').toUpperCase())) return whole
  }
  throw new Error(`nothing fits ${rule.id}: ${pattern}`)
}

/** A number of the rule behind a word that says what it is. */
export function plantNumber(rule: PiiRule, random: Random): Person {
  const words = (KEYWORDS[rule.context ?? ''] ?? ['number']).filter((word) => /^[\x20-\x7e]+$/.test(word))
  const lead = `${random.pick(['', 'Hello, ', 'see below.\n'])}${random.pick(['My ', 'the ', ''])}${random.pick(words)}${random.pick([': ', ' is ', ' number: ', ' = '])}`
  const number = numberOf(rule, random)
  return {
    text: `${lead}${number}${random.pick(['', '.', ', thanks', '\nBye'])}`,
    start: lead.length,
    end: lead.length + number.length,
  }
}

const PLACES = [
  '24 Clarke Avenue, Apt. 12',
  'Via Giuseppe Verdi 131',
  'Hauptstraße 12a',
  '39 Rue de la Paix',
  'Bundesstrasse 31',
  'P.O. Box 412',
  'PSC 3294, Box 9168\nAPO AA 61487',
  'Portland, OR 97201-1234',
  'SW1A 1AA',
  'K1A 0B1',
]
const CONTACTS = [
  'jane.roe+x@acme.co.uk',
  '+44 20 7946 0958',
  '+46 (0)157 548 89',
  '(602) 272-9781 ext. 12',
  '1-800-272-9781',
  '201-948-1927x0135',
  'Phone: 032 288 79 44',
  'https://www.Poolvendor.be/',
  'Dear Mr. John Smith,',
  'Name: Jane A. Roe',
  '16.244.11.141',
  '00:1a:2b:3c:4d:5e',
  '6e40:4041:c617:e898:c11:40d2:c669:2eb4',
  'born on 9/20/1968',
  'born January 5, 1990',
]
const WORDS =
  'the a card phone of Via Rua ul. SSN social security Dear Name: 12 4 1024 2016 3.14 +1 ( ) -- x Apt. St. \\n \n " , ; : / @ 日本 身份证 ü 😀 id=7 4111 user@ tel: born 555-12 GB29 AB 12'.split(
    ' ',
  )

/** Texts as people write them, with facts about people, pieces of them, and what resembles them. */
export function textWithPeople(random: Random): string {
  let text = ''
  const parts = 1 + random.below(5)
  for (let part = 0; part < parts; part++) {
    text += Array.from({ length: random.below(7) }, () => random.pick(WORDS)).join(random.pick([' ', ' ', '']))
    const fact = random.pick([
      () => plantNumber(random.pick(NUMBERS), random).text,
      () => numberOf(random.pick(NUMBERS), random),
      () => random.pick(PLACES),
      () => random.pick(CONTACTS),
      () => random.chars('0123456789 -.', random.below(30)),
    ])()
    text +=
      random.pick([' ', ' ', '\n', ',', '']) + (random.below(5) === 0 ? fact.slice(0, random.below(fact.length)) : fact)
    text += random.pick([' ', ' ', '\n', '. ', ''])
  }
  return text
}
