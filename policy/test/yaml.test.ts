import fc from 'fast-check'
import t from 'tap'
import { compilePolicy } from '../index.ts'
import { readYaml } from '../yaml.ts'
import { budget, file, problems } from './support/files.ts'

const SIZE = 256 * 1024
/** A machine with two busy cores; without the guards these take from 19 seconds to for ever. */
const SLOW_MS = 15_000

t.test('what YAML could smuggle in is refused with its line', async (t) => {
  const refused: Readonly<Record<string, readonly [string, RegExp]>> = {
    'a duplicate key': ['a: 1\nb:\n  c: 1\n  c: 2\n', /:4 : the key `c` stands here a second time/],
    'an alias': ['a: &x 1\nb: *x\n', /:2 : the alias \*x is not allowed/],
    'a merge key': ['a: &x {b: 1}\nc:\n  <<: *x\n', /:3 : the alias/],
    'a custom tag': ['a: 1\nb: !exec rm\n', /:2 : the tag !exec is not allowed/],
    'a binary tag': ['a: !!binary aGk=\n', /:1 : the tag !!binary is not allowed/],
    'a type tag': ['limit: !!str 25\n', /:1 : the tag !!str is not allowed/],
    'a key that is a number': ['1: a\n', /:1 : a key has to be text/],
    'a key that is a map': ['? {a: b}\n: c\n', /:1 : a key has to be text/],
    'a prototype': ['a:\n  __proto__:\n    polluted: true\n', /:2 : the key `__proto__` is not allowed/],
    'another YAML': ['%YAML 1.1\n---\na: yes\n', /:1 : write YAML 1\.2/],
    'a tab': ['a:\n\tb: 1\n', /:2 : indent with spaces/],
    'a bracket that stays open': ['a: [1, 2\nb: 3\n', /:2 : not valid YAML: /],
    'a quote that stays open': ['a: "x\n', /not valid YAML: /],
    'a column that is off': ['a:\n  b: 1\n c: 2\n', /:3 : not valid YAML: /],
  }
  for (const [name, [text, message]] of Object.entries(refused)) t.match(problems(file(text)), [message], name)
  t.equal(Object.hasOwn(Object.prototype, 'polluted'), false)
})

t.test('names of Object.prototype are unknown keys like any other', async (t) => {
  for (const key of ['constructor', 'toString', 'hasOwnProperty', 'prototype'])
    t.match(problems(file(budget('a', { [key]: 1 }))), [new RegExp(`spec\\.${key}: unknown key \`${key}\``)], key)
})

t.test('empty documents and comments are nothing, wherever they stand', async (t) => {
  for (const text of ['', '---\n', '# only this\n', '---\n---\n# x\n---\n', '\ufeff', '\n\n', '--- # x\n...\n'])
    t.same(readYaml(file(text)), { documents: [], problems: [] }, JSON.stringify(text))
  t.equal(readYaml(file(`---\n---\n${budget('a')}---\n`)).documents.length, 1)
})

t.test('a file, its documents and its depth have bounds', async (t) => {
  t.match(problems(file(`#${'x'.repeat(SIZE)}`)), [/:1 : the file is larger than 256 KiB/])
  t.match(problems(file('---\na: 1\n'.repeat(501))), [/more than 500 documents/])
  t.match(problems(file(`a: ${'['.repeat(33)}${']'.repeat(33)}`)), [/nested deeper than 32 levels/])
  t.match(problems(file(`${'- '.repeat(40)}a`)), [/nested deeper than 32 levels/])
  const stairs = Array.from({ length: 40 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')
  t.match(problems(file(stairs)), [/:3[2-4] : maps and lists are nested deeper/])
})

t.test('a hostile file of the largest size is refused in time, with a bounded number of problems', async (t) => {
  const numbered = (count: number, line: (index: number) => string) => Array.from({ length: count }, (_, i) => line(i))
  const hostile: Readonly<Record<string, string>> = {
    'billion laughs': numbered(300, (i) => `a${i}: &a${i} [${'*a, '.repeat(9)}*a]`).join('\n'),
    'open brackets': '['.repeat(SIZE),
    'open maps': '{a: '.repeat(SIZE),
    'nested lists': '- '.repeat(SIZE),
    quotes: '"'.repeat(SIZE),
    'many keys': numbered(25_000, (i) => `k${i}: 1`).join('\n'),
    'one key many times': 'a: 1\n'.repeat(SIZE),
    anchors: '&a '.repeat(SIZE),
    'unknown keys': `kind: Budget\n${numbered(20_000, (i) => `k${i}: 1`).join('\n')}`,
    'unknown kinds': '---\nkind: x\n'.repeat(500),
  }
  for (const [name, text] of Object.entries(hostile)) {
    const startedMs = performance.now()
    const found = problems(file(text.slice(0, SIZE)))
    t.ok(performance.now() - startedMs < SLOW_MS, `${name} in time`)
    t.ok(found.length > 0 && found.length <= 50, `${name}: ${found.length} problems`)
  }
})

t.test('no text makes it throw, and every problem has a line of the file', async (t) => {
  const piece = fc.constantFrom(
    'a',
    ':',
    ' ',
    '\n',
    '- ',
    '[',
    ']',
    '{',
    '}',
    '"',
    "'",
    '|',
    '>',
    '&x',
    '*x',
    '!t',
    '#',
    '---\n',
    '%',
    '? ',
    '\t',
    ',',
    '1',
    'kind: Budget\n',
    'spec:\n  ',
  )
  const text = fc.oneof(
    fc.array(piece, { maxLength: 60 }).map((parts) => parts.join('')),
    fc.string({ unit: 'binary' }),
  )
  fc.assert(
    fc.property(text, (text) => {
      const result = compilePolicy([file(text)])
      const lines = text.split('\n').length + 1
      return (
        result.ok ||
        result.problems.every((problem) => problem.line >= 1 && problem.line <= lines && problem.message !== '')
      )
    }),
    { numRuns: 2_000 },
  )
  t.pass()
})
