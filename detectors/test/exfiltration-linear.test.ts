import t from 'tap'
import { exfiltrationDetector as detector } from '../index.ts'
import { bestCpuUs } from './support/cpu.ts'
import { cpuGrowth, GROWTH_MAX } from './support/cpu-growth.ts'

const SMALL_CHARS = 32_768
/** Hostile text may cost this much, in µs a KB of text: far above honest text, and bounded. */
const HOSTILE_US_PER_KB_MAX = 400

/** Texts of one piece again and again, each of which something looks at as long as it can. */
const UNITS = [
  '/',
  '//',
  '://',
  'http://',
  'https://a',
  'https://a/ ',
  '"//',
  '(//',
  '![',
  '![a',
  '](',
  '![](',
  '![x](//',
  '<',
  '<img ',
  '<img src="https://a.b/c" ',
  '<a href="//a',
  '[',
  '[a]: //',
  '\n[a]: https://a',
  'url(//',
  '=//',
  "'//",
  'https://{',
  'https://a/{',
  'https://a/{x}',
  'https://a/${',
  'https://a/<x ',
  'https://a/[',
  'https://a/{{x',
  'https://a/?b=QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE&',
  'https://a/68656c6c6f20776f726c642068656c6c6f20776f726c64/',
  'https://a/?b=%41%20',
  'https://a/?b=https://a/?b=',
  'https://a/?b=https%253A%252F%252Fa%252F%253Fb%253D',
  'https://a/?%',
  'https://a.b/ a@',
  'https://a@',
  'https://a:1',
  '.',
  'a.',
  'a1.',
  '0.',
  'a.b.io ',
  'x.oast.fun',
  'oast.fun/',
  'webhook.site/',
  '-',
  'KRUGKIDQMFZXG53P.',
  'a1b2c3d4e5f6a7b8c9d0.',
  ')',
  '!',
  '#',
  '\\/\\/',
  '"',
  '日',
] as const

t.test('the time for each character does not grow with the length of a hostile text, and is bounded', async (t) => {
  for (const unit of UNITS)
    for (const source of detector.sources) {
      const detect = (text: string): unknown => detector.detect(text, { source })
      const ratio = cpuGrowth(unit, SMALL_CHARS, detect)
      if (ratio > GROWTH_MAX) t.fail(`${JSON.stringify(unit)} in ${source}: ${ratio.toFixed(1)}`)
      const text = unit.repeat(Math.ceil(SMALL_CHARS / unit.length))
      const usPerKb = bestCpuUs(3, () => detect(text)) / (text.length / 1_024)
      if (usPerKb > HOSTILE_US_PER_KB_MAX) t.fail(`${JSON.stringify(unit)} in ${source}: ${usPerKb.toFixed()} µs/KB`)
    }
  t.pass()
})

t.test('openFrom looks at no more than what can be held', async (t) => {
  for (const unit of UNITS) {
    const text = unit.repeat(Math.ceil(detector.holdCharsMax / unit.length))
    const [one, eight] = [text, text.repeat(8)].map((each) =>
      bestCpuUs(6, () => {
        for (let time = 0; time < 20; time++) detector.openFrom(each)
      }),
    )
    t.ok((eight ?? 0) < 4 * Math.max(3_000, one ?? 0), unit)
  }
})
