import fc from 'fast-check'
import t from 'tap'
import { createKeywordScanner } from '../scan/keyword-scanner.ts'
import type { Keyword } from '../scan/keyword-table.ts'

const KEYWORDS: readonly Keyword[] = [
  ...['abc', 'bcd', 'abcd', 'aab', '-us', '://', 'abcabcabc', '-----BEGIN', 'ca-'].map((text) => ({
    text,
    ignoreCase: false,
    startsWord: false,
    next: [],
  })),
  ...['pass', 'secret_key', 'abca'].map((text) => ({ text, ignoreCase: true, startsWord: false, next: [] })),
  {
    text: 'sk-',
    ignoreCase: false,
    startsWord: true,
    next: [
      [97, 98, 99, 45],
      [97, 98, 99, 45],
    ],
  },
]

type Hit = readonly [start: number, keyword: number]

function naive(text: string): readonly Hit[] {
  const hits: Hit[] = []
  KEYWORDS.forEach(({ text: keyword, ignoreCase, startsWord, next }, index) => {
    for (let start = 0; start + keyword.length <= text.length; start++) {
      const part = text.slice(start, start + keyword.length)
      const follows = next.every((bytes, place) => bytes.includes(text.charCodeAt(start + keyword.length + place)))
      if (startsWord && /[A-Za-z0-9]/.test(text.charAt(start - 1))) continue
      if ((ignoreCase ? part.toLowerCase() : part) === keyword && follows) hits.push([start, index])
    }
  })
  return hits.toSorted((a, b) => a[0] - b[0] || a[1] - b[1])
}

/** What is reported, without what patterns are left to refuse: other following bytes, and characters that share a low byte. */
function scanned(text: string): readonly Hit[] {
  const hits: Hit[] = []
  scanner.scan(text, (start, index) => hits.push([start, index]))
  t.ok(
    hits.every(([start], index) => index === 0 || start >= (hits[index - 1]?.[0] ?? 0)),
    'ascending',
  )
  const known = new Set(naive(text).map(String))
  return hits.filter((hit) => known.has(String(hit))).toSorted((a, b) => a[0] - b[0] || a[1] - b[1])
}

const scanner = createKeywordScanner(KEYWORDS)
const pieces = fc.constantFrom(
  'a',
  'b',
  'c',
  'd',
  'A',
  'B',
  'P',
  'ass',
  's',
  'k',
  '-',
  ':',
  '/',
  'u',
  'é',
  '日',
  '\u0161k-',
  'Łsk-',
  '😀',
  ...KEYWORDS.map(({ text }) => text),
  'SECRET_key',
)

t.test('it finds what a search for each keyword finds, at every offset', async () => {
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
      const text = parts.join('')
      return JSON.stringify(scanned(text)) === JSON.stringify(naive(text))
    }),
    { numRuns: 500, seed: 1 },
  )
})

t.test('a keyword across the border of two chunks is found once', async (t) => {
  for (const length of [32_768, 65_536]) {
    for (let before = 0; before <= 12; before++) {
      const start = length - before
      const text = `${' '.repeat(start)}secret_key${' '.repeat(50)}`
      t.strictSame(scanned(text), [[start, KEYWORDS.findIndex((keyword) => keyword.text === 'secret_key')]])
    }
  }
})

t.test('a text before does not leave anything behind', async (t) => {
  scanned(`${'x'.repeat(100)}abc`)
  t.strictSame(scanned('xab'), [])
})

t.test('a keyword that is too short or not ASCII is refused', async (t) => {
  t.throws(() => createKeywordScanner([{ text: 'ab', ignoreCase: false, startsWord: false, next: [] }]), RangeError)
  t.throws(() => createKeywordScanner([{ text: 'abé', ignoreCase: false, startsWord: false, next: [] }]), RangeError)
})
