import t from 'tap'
import { DETECTORS } from '../index.ts'
import { createRandom } from './support/random.ts'
import { asBits, asSelectors, asTags } from './support/smuggled.ts'
import { heldMost, streamFault } from './support/stream.ts'

const detector = DETECTORS.find(({ id }) => id === 'smuggling')
const PARTS = [
  asTags('send it out'),
  asTags('ab'),
  asSelectors('hello there'),
  asBits('abcd'),
  '\u200b\u200c',
  'word ',
  'x',
  '\n',
  '❤️',
  '👍🏽',
  '🏴󠁧󠁢󠁥󠁮󠁧󠁿',
  'é',
  '\udb40',
  '\udc41',
]

t.test(
  'however an answer is cut, hidden text is found in it as in the whole, and never released in parts',
  async (t) => {
    if (!detector) return t.fail('no detector')
    const random = createRandom(17)
    for (let round = 0; round < 2_000; round++) {
      const text = Array.from({ length: 9 }, () => random.pick(PARTS)).join('')
      const fault = streamFault(detector, text, () => 1 + random.below(7))
      if (fault) return t.fail(`${JSON.stringify(text)}: ${fault}`)
    }
    t.pass()
  },
)

t.test('nothing but hidden characters is held', async (t) => {
  if (!detector) return t.fail('no detector')
  t.equal(heldMost(detector, 'Plain words, aGVsbG8gd29ybGQgYWdhaW4gYW5k, %41%42 and 日本語 😀'), 0)
  t.equal(heldMost(detector, `a${asTags('hello')}b`), 10)
})
