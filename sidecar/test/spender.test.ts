import { createHash } from 'node:crypto'
import t from 'tap'
import { AttemptSpender } from '../budget/spender.ts'
import { Stages } from './support/stages.ts'

const fingerprint = (key: string): string => `key-${createHash('sha256').update(key).digest('hex').slice(0, 16)}`

t.test('a key is that of the header which the provider goes by, and junk beside it changes nothing', async (t) => {
  const stages = await Stages.open(t)
  const { inspected, targets } = stages.plan({ model: 'gpt-4.1', messages: [] })
  const keyFor = (headers: readonly string[]): string | null => {
    const { identified } = inspected.authorized
    const authorized = { ...inspected.authorized, identified: { ...identified, raw: { ...identified.raw, headers } } }
    return new AttemptSpender(authorized, targets[0], stages.prices).apiKey()
  }
  t.equal(keyFor(['Authorization', 'Bearer real']), fingerprint('real'))
  t.equal(keyFor(['x-api-key', 'junk', 'Authorization', 'Bearer real']), fingerprint('real'))
  t.equal(keyFor(['authorization', 'Bearer real', 'authorization', 'Bearer real']), fingerprint('real'))
  t.equal(keyFor(['authorization', 'Bearer junk', 'authorization', 'Bearer real']), '(several)')
  t.equal(keyFor([]), null)
})
