import t from 'tap'
import { told } from '../told.ts'

t.test('what others chose is told in characters that every database takes, and within its length', async (t) => {
  t.equal(told('gpt\u0000-4.1', 256), 'gpt-4.1')
  t.equal(told('a\ud83d', 256), 'a\ufffd', 'half of a pair')
  t.equal(told('ab😀', 3), 'ab\ufffd', 'a pair that the length divides')
  t.equal(told('x'.repeat(300), 256).length, 256)
})
