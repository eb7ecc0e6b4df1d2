import t from 'tap'
import { createIndexCache } from '../threat-intel/index-cache.ts'

/** Loads an index of two pieces and counts how often. */
function loading(fail = false) {
  const load = { count: 0 }
  return {
    load,
    pieces: async function* () {
      load.count++
      yield Buffer.from('ab')
      if (fail) throw new Error('gone')
      yield Buffer.from('cd')
    },
  }
}

async function text(pieces: AsyncIterable<Buffer>): Promise<string> {
  let whole = ''
  for await (const piece of pieces) whole += piece
  return whole
}

t.test('however many ask for an index at once, it is read once; beyond the bound the oldest goes', async (t) => {
  const cache = createIndexCache(10)
  const one = loading()
  const many = await Promise.all(Array.from({ length: 50 }, () => text(cache.pieces('one', 4, one.pieces))))
  t.same([...new Set(many)], ['abcd'])
  t.equal(one.load.count, 1)
  await text(cache.pieces('two', 4, loading().pieces))
  await text(cache.pieces('one', 4, one.pieces))
  await text(cache.pieces('three', 4, loading().pieces))
  t.equal(cache.bytes, 8)
  await text(cache.pieces('one', 4, one.pieces))
  t.equal(one.load.count, 1, 'two was the oldest')
})

t.test('what is larger than the cache is passed on, and what could not be read is read again', async (t) => {
  const cache = createIndexCache(10)
  const large = loading()
  for (let time = 0; time < 2; time++) t.equal(await text(cache.pieces('large', 11, large.pieces)), 'abcd')
  t.equal(large.load.count, 2)
  t.equal(cache.bytes, 0)
  await t.rejects(text(cache.pieces('bad', 4, loading(true).pieces)), /gone/)
  t.equal(cache.bytes, 0)
  t.equal(await text(cache.pieces('bad', 4, loading().pieces)), 'abcd')
})
