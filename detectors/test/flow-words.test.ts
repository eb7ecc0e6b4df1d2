import { deepEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { readWords, wordHash } from '../flow/word-reader.ts'
import { readAsked, wordsNear } from '../index.ts'

const wordsOf = (read: (told: (text: string, start: number, end: number) => void) => void): readonly string[] => {
  const words: string[] = []
  read((text, start, end) => words.push(text.slice(start, end).toLowerCase()))
  return words
}

const namesIn = (text: string): readonly string[] => wordsOf((told) => readAsked(text, told))
const nearIn = (text: string): readonly string[] => wordsOf((told) => wordsNear(text, 0, text.length, told))

t.test('names are words in capitals and those behind a word that leads to one', async (t) => {
  for (const [text, names] of [
    ['Send it to Anna and to bob, please.', ['anna', 'bob']],
    ["What is Anna's address? Pay o'neill's bill.", ['anna', "o'neill"]],
    ['INVITE ÉMILE and Łukasz to it.', ['émile', 'łukasz']],
    ['the Thing2 of a3b', ['thing2']],
    ['Please write the summary of the Report today.', []],
  ] as const)
    t.same(namesIn(text), names, text)
  t.same(nearIn('to: Anna K. (anna2@x.example)'), ['anna', 'anna', 'example'])
})

t.test('what a user leaves to be looked up is told by the words that point at it', async (t) => {
  for (const [text, kinds] of [
    ['Reply to the sender', ['email']],
    ['PAY the rent of my landlord', ['account']],
    ['Open the link in that page', ['url']],
    ["the sender's page", ['url']],
    ['Pay the supplier and follow the instructions', ['email', 'account', 'url']],
    ['nothing of the kind', []],
  ] as const)
    t.same([...readAsked(text, () => {})].sort(), [...kinds].sort(), text)
})

const PIECES = [
  'to',
  "'s",
  "'",
  ' ',
  'Anna',
  'ANNA',
  'the',
  '2',
  '-',
  '_',
  'é',
  'É',
  'ß',
  'İ',
  '名前',
  '𐐀',
  '😀',
  '\ud800',
  'mail',
]

t.test('the words of any text are what letters, and digits and apostrophes behind one, make', async (t) => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.array(fc.constantFrom(...PIECES), { maxLength: 30 }).map((pieces) => pieces.join('')),
  )
  fc.assert(
    fc.property(text, fc.boolean(), (text, withDigits) => {
      const words: string[] = []
      readWords(text, 0, text.length, withDigits, (word, start, end, hash) => {
        const lower = word.slice(start, end).toLowerCase()
        if (hash !== wordHash(lower, 0, lower.length)) throw new Error(`the hash of ${lower}`)
        words.push(lower)
      })
      const found = text.matchAll(withDigits ? /\p{L}[\p{L}'\d]*/gu : /\p{L}+/gu)
      deepEqual(
        words,
        Array.from(found, ([word]) => word.toLowerCase()),
      )
    }),
    { numRuns: 3_000 },
  )
  t.pass()
})

t.test('a long text of a user is read at its beginning and its end', async (t) => {
  const middle = 'x '.repeat(5_000)
  t.same(namesIn(`Call Anna. ${middle} Mia ${middle} Call Olga.`), ['call', 'anna', 'call', 'olga'])
})
