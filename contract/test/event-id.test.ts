import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import * as z from 'zod'
import { eventIdAt, intentAtOf } from '../index.ts'

t.test('an id of an event is a UUID of version 7 that tells its time, and no two are alike', async (t) => {
  fc.assert(
    fc.property(fc.nat(2 ** 47), (atMs) => {
      const id = eventIdAt(atMs, randomUUID())
      return z.uuidv7().safeParse(id).success && intentAtOf(id) === new Date(atMs).toISOString()
    }),
  )
  const ids = Array.from({ length: 10_000 }, () => eventIdAt(1_764_000_000_000, randomUUID()))
  t.equal(new Set(ids).size, ids.length)
})

t.test('an id of another kind tells no time', async (t) => {
  for (const id of [randomUUID(), '', '0193', '00000000-0000-0000-0000-000000000000']) t.equal(intentAtOf(id), null, id)
})
