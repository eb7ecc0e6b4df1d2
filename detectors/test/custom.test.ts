import { type CustomRuleDocument, customRuleDocument, type SegmentSource } from '@agentcostcontrol/contract'
import t from 'tap'
import { compileCondition } from '../custom/condition.ts'
import { createCustomDetector, selfTest } from '../index.ts'
import { createRandom } from './support/random.ts'

const rule = (name: string, spec: object): CustomRuleDocument =>
  customRuleDocument.parse({
    apiVersion: 'agentcostcontrol.io/v1',
    kind: 'CustomRule',
    metadata: { name },
    spec: { severity: 'high', ...spec },
  })

const found = (spec: object, text: string, source: SegmentSource = 'user', tool?: string): readonly string[] =>
  createCustomDetector([rule('r', spec)])
    .detect(text, { source, ...(tool === undefined ? {} : { tool }) })
    .map(({ start, end }) => text.slice(start, end))

t.test('its canary is found with rules and with none', async (t) => {
  t.ok(selfTest(createCustomDetector([])))
  t.ok(selfTest(createCustomDetector([rule('a', { literals: ['Nightjar'] })])))
})

t.test('literals are found exactly, in either case where the rule says so, in any script', async (t) => {
  t.same(found({ literals: ['Project Nightjar', 'XY'] }, 'the Project Nightjar is XY, not project nightjar'), [
    'Project Nightjar',
    'XY',
  ])
  t.same(found({ literals: ['Nightjar'], ignoreCase: true }, 'NIGHTJAR nightjar'), ['NIGHTJAR', 'nightjar'])
  t.same(found({ literals: ['Ziegenmelker-Größe', '夜鷹'], ignoreCase: true }, '😀 ZIEGENMELKER-GRÖßE 夜鷹'), [
    'ZIEGENMELKER-GRÖßE',
    '夜鷹',
  ])
  t.same(found({ literals: ['a.c'] }, 'abc'), [])
})

t.test('patterns are matched in linear time, with offsets that hold behind any character', async (t) => {
  t.same(found({ pattern: 'EMP-\\d{4}' }, '😀 EMP-1234 and emp-1234'), ['EMP-1234'])
  t.same(found({ pattern: 'EMP-\\d{4}', ignoreCase: true }, 'emp-1234'), ['emp-1234'])
  const before = process.cpuUsage()
  t.same(found({ pattern: '^(a+)+$' }, `${'a'.repeat(50_000)}!`), [])
  t.ok(process.cpuUsage(before).user < 3_000_000)
})

t.test('rules hold for their sources and tools, and for all that they say together', async (t) => {
  const spec = { literals: ['secret'], sources: ['tool_call'], tools: ['send'] }
  t.same(found(spec, '"secret"', 'tool_call', 'send').length, 1)
  t.same(found(spec, '"secret"', 'tool_call', 'read'), [])
  t.same(found(spec, '"secret"', 'tool_call'), [])
  t.same(found(spec, '"secret"', 'user', 'send'), [])
  t.same(found({ literals: ['a-key'], pattern: 'b\\d' }, 'a-key b1'), ['b1'])
  t.same(found({ literals: ['a-key'], pattern: 'b\\d' }, 'b1'), [])
})

t.test('conditions see the segment and what a tool is called with', async (t) => {
  const condition = 'segment.tool == "pay" && args.amount > 100 && args.to.exists(x, x.matches("^DE[0-9]+$"))'
  const call = (amount: number, to: string): string => JSON.stringify({ amount, to: [to] })
  t.same(found({ condition }, call(101, 'DE12'), 'tool_call', 'pay').length, 1)
  for (const [text, tool] of [
    [call(99, 'DE12'), 'pay'],
    [call(101, 'FR12'), 'pay'],
    [call(101, 'DE12'), 'ask'],
    ['{"other":1}', 'pay'],
    ['no json', 'pay'],
  ] as const)
    t.same(found({ condition }, text, 'tool_call', tool), [], text)
  t.same(found({ condition: 'segment.source == "user" && segment.text.contains("x")' }, 'a x').length, 1)
  t.same(found({ literals: ['wire'], condition: 'segment.source == "tool_result"' }, 'wire', 'user'), [])
})

t.test('a condition that cannot be run in linear time, or at all, is refused with the reason', async (t) => {
  for (const [source, reason] of [
    ['segment.text +', /./],
    ['unknown.x == 1', /unknown/i],
    ['1 + 1', /true or false/],
    ['segment.text.matches("(?=x)")', /RE2/],
    ['segment.text.matches(segment.tool)', /must be a text/],
    ['args.a.exists(x, args.b.exists(y, x == y))', /inside of a/],
    ['args.a.exists(x, segment.text.contains(x))', /its own variable/],
    [`${'('.repeat(60)}true${')'.repeat(60)}`, /./],
    [Array.from({ length: 300 }, () => 'true').join(' && '), /./],
  ] as const) {
    const compiled = compileCondition(source)
    t.notOk(compiled.ok, source.slice(0, 40))
    if (!compiled.ok) t.match(compiled.message, reason)
  }
})

t.test('hostile texts take a CEL condition no more than linear time', async (t) => {
  const compiled = compileCondition('segment.text.matches("(a+)+$") || args.list.exists(x, x.matches("(b+)+$"))')
  if (!compiled.ok) return t.fail(compiled.message)
  const before = process.cpuUsage()
  const text = `${'a'.repeat(20_000)}!`
  compiled.holds({ segment: { source: 'user', tool: '', text }, args: { list: ['b'.repeat(20_000)] } })
  t.ok(process.cpuUsage(before).user < 3_000_000)
})

t.test(
  'however a stream is cut, literals and short matches of patterns are found once and never released in parts',
  async (t) => {
    const literals = rule('literal', {
      literals: ['Nightjar', 'jarring', 'night', 'Ziegenmelker-Größe', 'ΟΔΟΣΑΒ'],
      ignoreCase: true,
    })
    // With a pattern the last characters are held whatever they are.
    const detectors = [
      createCustomDetector([literals]),
      createCustomDetector([literals, rule('pattern', { pattern: 'EMP-\\d{4,8}' })]),
    ]
    const random = createRandom(5)
    const parts = ['Nightjar', 'NIGHT', 'jar', 'jarring', 'EMP-1234', 'EMP-12345678', 'EMP-', ' ', 'x', '😀', '.']
    // Their lower case is longer, or depends on what stands around them.
    const foreign = ['İ', 'ZİEGE', 'ZIEGENMELKER-', 'Größe', 'GRÖßE', 'οδος', 'ΟΔΟΣ', 'ΟΔΟσ', 'αβ', 'ΑΒ']
    for (let run = 0; run < 800; run++) {
      const detector = random.pick(detectors)
      const all = run % 2 === 0 ? parts : [...parts, ...foreign]
      const text = Array.from({ length: random.below(60) }, () => random.pick(all)).join('')
      const whole = detector.detect(text, { source: 'assistant' }).map(({ start, end }) => `${start}-${end}`)
      const streamed: string[] = []
      let [kept, from, settled, at] = ['', 0, 0, 0]
      for (let ended = false; !ended; ) {
        const piece = text.slice(at, at + 1 + random.below(12))
        ended = piece === ''
        at += piece.length
        kept += piece
        const before = settled
        settled = Math.max(settled, from + (ended ? kept.length : detector.openFrom(kept)))
        for (const { start, end } of detector.detect(kept, { source: 'assistant' })) {
          if ((start === 0 && from > 0) || from + end <= before || from + end > settled) continue
          if (from + start < before) return t.fail(`released in parts: ${text}`)
          streamed.push(`${from + start}-${from + end}`)
        }
        const drop = Math.max(0, settled - from - 64)
        kept = kept.slice(drop)
        from += drop
      }
      if (streamed.join() !== whole.join()) return t.same(streamed, whole, text)
    }
    t.pass()
  },
)
