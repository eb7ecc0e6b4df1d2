import fc from 'fast-check'
import t from 'tap'
import { decodeEvent, encodeEvent } from '../events/event-codec.ts'
import { anyEvent } from './support/any-event.ts'
import { attemptOf, eventOf } from './support/usage-events.ts'

t.test('every event is read as it was written', async (t) => {
  fc.assert(
    fc.property(anyEvent, (event) => {
      const read = JSON.stringify(decodeEvent(JSON.parse(encodeEvent(event))))
      if (read !== JSON.stringify(event)) throw new Error(read)
    }),
    { numRuns: 1_000 },
  )
  t.pass()
})

t.test('what repeats within an event is written once', async (t) => {
  const event = eventOf('e', { attempts: [attemptOf({ costNanoUsd: '123456789', chargedNanoUsd: '123456789' })] })
  t.equal(encodeEvent(event).split('123456789').length, 2)
  t.equal(encodeEvent(event).split('gpt-test').length, 2)
})

t.test('an event of another format is not guessed at', async (t) => {
  t.throws(() => decodeEvent([99, 'e']), /format 99/)
  t.throws(() => decodeEvent('no event'))
})
