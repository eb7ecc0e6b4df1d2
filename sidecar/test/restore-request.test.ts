import type { Finding, Segment } from '@agentcostcontrol/contract'
import { redactText } from '@agentcostcontrol/detectors'
import fc from 'fast-check'
import t from 'tap'
import { cpuGrowth, GROWTH_MAX } from '../../detectors/test/support/cpu-growth.ts'
import { withValues } from '../inspect/restore/placeholder-reader.ts'
import { createPlaceholders } from '../inspect/restore/placeholders.ts'
import { withRepeats } from '../inspect/restore/repeats.ts'
import { createValueFinder } from '../inspect/restore/value-finder.ts'
import { writerFor } from '../inspect/restore/writer.ts'
import { redacted } from './support/restoring.ts'

const placeholderOf = createPlaceholders(Buffer.alloc(32, 1))('agent')

const found = (start: number, end: number): Finding => ({
  detectorId: 'secrets',
  ruleId: 'key',
  category: 'secret',
  severity: 'critical',
  score: 1,
  start,
  end,
  taxonomy: { owaspLlm: null, owaspAgentic: null, mitreAtlas: null },
})

/** A finding for each place where one of these stands. */
const findAll = (text: string, parts: readonly string[]): readonly Finding[] =>
  parts.flatMap((part) => {
    const places: Finding[] = []
    for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + part.length))
      places.push(found(at, at + part.length))
    return places
  })

const inJson = (text: string): string => JSON.stringify(text).slice(1, -1)

t.test('in what a tool is called with, redacting and putting back is the same call, and JSON in between', async (t) => {
  const chars = fc.string({ unit: fc.constantFrom('"', '\\', '\n', '\u2028', '😀', '\ud83d', 'é', 'a', '/', '{') })
  const value = chars.map((text) => `<${text}>`)
  fc.assert(
    fc.property(value, fc.string(), (value, beside) => {
      const text = JSON.stringify({ a: `${beside} ${value}`, b: [value, 1], c: { d: beside } })
      // What begins like JSON in a string of JSON is another matter: restore-text.test.ts.
      if (/[<[{]/.test(beside)) return
      const { values } = redacted([], ['*'])
      const findings = findAll(text, [inJson(value)])
      const writer = writerFor({ source: 'tool_call', text }, findings, values.noting(placeholderOf))
      if (writer === null) throw new Error('it breaks')
      const without = redactText(text, findings, writer)
      const name = placeholderOf({ detectorId: 'secrets', ruleId: 'key' }, value)
      t.same(JSON.parse(without), { a: `${beside} ${name}`, b: [name, 1], c: { d: beside } }, 'as in plain text')
      t.equal(withValues(without, values, null), text)
    }),
  )
})

t.test('a number becomes a string, and what cannot be taken out of JSON stops', async (t) => {
  const card = '{"card":4111111111111111,"n":[4111111111111111],"note":"pays: 4111111111111111, \\"4111111111111111"}'
  const findings = findAll(card, ['4111111111111111'])
  for (const source of ['tool_call', 'tool_result'] as const) {
    const writer = writerFor({ source, text: card }, findings, placeholderOf)
    t.match(JSON.parse(redactText(card, findings, writer ?? undefined)), {
      card: /^\[REDACTED/,
      n: [/^\[REDACTED/],
      note: /^pays: \[REDACTED[^"]*\], "\[REDACTED[^"]*\]$/,
    })
  }
  const across = [found(1, card.indexOf(','))]
  t.equal(writerFor({ source: 'tool_call', text: card }, across, placeholderOf), null)
  t.equal(
    redactText(
      '4111',
      [found(0, 4)],
      writerFor({ source: 'user', text: '4111' }, [found(0, 4)], placeholderOf) ?? undefined,
    ).at(0),
    '[',
  )
})

const segment = (source: Segment['source'], text: string, more: Partial<Segment> = {}): Segment => ({
  source,
  path: ['messages', text.length, 'content'],
  text,
  ...more,
})

t.test('a value that was found is taken out where no detector sees it, as a word of its own', async (t) => {
  const { values, placeholders } = redacted(['ann@example.org', 'pa"ss\\wörd', 'short', '5550100'])
  const [mail = '', odd = '', short = '', phone = ''] = placeholders
  const segments = [
    segment('system', 'ask ann@example.org'),
    segment('user', 'I am ann@example.org, joann@example.org is not me, ann@example.org.'),
    segment('assistant', 'So pa"ss\\wörd it is, short'),
    segment('tool_call', '{"n":5550100,"p":"pa\\"ss\\\\wörd","q":"15550100"}'),
    segment('tool_definition', '{"name":"ann@example.org"}'),
    segment('assistant', 'signed ann@example.org', { sealed: true }),
    segment('tool_result', 'nothing'),
  ]
  const known = {
    at: 1,
    segment: segments[1] ?? segment('user', ''),
    text: `I am ${mail}, joann@example.org is not me, ann@example.org.`,
  }
  const edits = withRepeats(segments, [known], values, false)
  t.same(
    edits.map(({ segment, text }) => [segment.source, text]),
    [
      ['user', `I am ${mail}, joann@example.org is not me, ${mail}.`],
      ['assistant', `So ${odd} it is, short`],
      ['tool_call', `{"n":"${phone}","p":"${odd}","q":"15550100"}`],
    ],
    `shorter ones are parts of other words: ${short}`,
  )
  const bytes = segment('assistant', Buffer.from('pa"ss\\wörd é').toString('latin1'))
  t.equal(withRepeats([bytes], [], values, true)[0]?.text, `${odd} é`, 'also in a body that is read byte by byte')
  t.throws(() => withRepeats([segment('tool_call', '[5550100.5,"5550100"]')], [], values, false), /JSON of a call/)
})

t.test('what only begins like a long value does not keep others from being found', async (t) => {
  const key = `-----BEGIN PRIVATE ${'KEY-----'}\n${'A'.repeat(1_700)}`
  const { values, placeholders } = redacted([key, 'ann@example.org'])
  const tables = `|${'-'.repeat(400)}|\n`.repeat(50)
  const [edit] = withRepeats([segment('tool_result', `${tables}ann@example.org`)], [], values, false)
  t.equal(edit?.text, `${tables}${placeholders[1]}`)
})

t.test('looking for values, and putting them back, takes time by the length of the text', async (t) => {
  const many = Array.from({ length: 400 }, (_, at) => `aaaaaaaaaaaaaaaa${at}`)
  const { values, placeholders } = redacted(many)
  const find = createValueFinder(new Map(many.map((value, at) => [value, placeholders[at] ?? ''])))
  const put = (text: string): string => withValues(text, values)
  for (const [unit, work] of [
    ['a', (text: string) => find?.(text, () => {})],
    ['[REDACTED:key:[[REDACTED:key:b', put],
    [placeholders[0] ?? '', put],
    [`<a ](<//${placeholders[1]}`, put],
  ] as const) {
    const ratio = cpuGrowth(unit, 50_000, work)
    t.ok(ratio <= GROWTH_MAX, `${unit}: ${ratio.toFixed(1)}`)
  }
})
