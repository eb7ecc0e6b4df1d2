import t from 'tap'
import { piiDetector } from '../index.ts'
import { bestCpuUs } from './support/cpu.ts'
import { cpuGrowth, GROWTH_MAX } from './support/cpu-growth.ts'
import { PII_UNITS } from './support/hostile.ts'

const detect = (text: string): unknown => piiDetector.detect(text, { source: 'tool_result' })

t.test('the time for each character does not grow with the length of a hostile text', async (t) => {
  for (const unit of PII_UNITS) {
    const ratio = cpuGrowth(unit, 20_000, detect)
    if (ratio > GROWTH_MAX) t.fail(`${JSON.stringify(unit)}: ${ratio.toFixed(1)}`)
  }
  t.pass()
})

t.test('and no hostile text takes more than half a millisecond a KB', async (t) => {
  let [worst, of] = [0, '']
  for (const unit of PII_UNITS) {
    const text = unit.repeat(Math.ceil(30_000 / unit.length))
    const usPerKb = (bestCpuUs(4, () => detect(text)) / text.length) * 1_024
    if (usPerKb > worst) [worst, of] = [usPerKb, unit]
  }
  t.comment(`${worst.toFixed(0)} µs/KB for ${JSON.stringify(of)}`)
  t.ok(worst < 500)
})

t.test('openFrom looks at no more than what can be held', async (t) => {
  for (const unit of PII_UNITS) {
    const longest = unit.repeat(Math.ceil(piiDetector.holdCharsMax / unit.length))
    const [short, long] = [longest, longest.repeat(16)].map((text) =>
      bestCpuUs(3, () => {
        for (let run = 0; run < 20; run++) piiDetector.openFrom(text)
      }),
    )
    t.ok((long ?? 0) < 4 * Math.max(short ?? 0, 4_000), unit)
  }
})
