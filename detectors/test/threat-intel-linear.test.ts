import t from 'tap'
import { createThreatIntelDetector } from '../index.ts'
import { smallIndex } from './support/threat-lists.ts'

const detector = createThreatIntelDetector([smallIndex()])
const SMALL_CHARS = 32_768
const GROWTH = 4

/** The least processor time of some runs, in ms. */
function cpuMs(text: string, runs: number): number {
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < runs; run++) {
    const before = process.cpuUsage()
    detector.detect(text, { source: 'tool_call' })
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, (user + system) / 1_000)
  }
  return best
}

t.test('the time for each character does not grow with the length of a hostile text', async (t) => {
  const units = [
    '.',
    'a.',
    'a',
    '0',
    '://',
    'http://',
    '[.]',
    'a[.]a',
    '%41',
    '%41.',
    '[dot]',
    '::',
    'a:b',
    'npm i ',
    'npm install a ',
    'pip ',
    'é.é',
    'a。a',
    '1.',
    '1.2.3.4',
    'evil.example',
    'evil-files.test/a/',
    '"dependencies":{',
    '"dependencies":{"a":"1",',
    '==',
    'a==1',
    '\\u0041.b',
    '//a@1.',
  ]
  for (const unit of units) {
    const small = unit.repeat(SMALL_CHARS / unit.length)
    let ratio = 0
    for (const runs of [2, 6, 12]) {
      ratio = cpuMs(small.repeat(GROWTH), runs) / GROWTH / Math.max(0.2, cpuMs(small, runs))
      if (ratio < 2.6) break
    }
    t.ok(ratio < 2.6, `${unit}: ${ratio.toFixed(1)}`)
  }
})
