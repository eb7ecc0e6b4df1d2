import type { EventBatchAnswer } from '@agentcostcontrol/contract'
import t from 'tap'
import type { Timers } from '../clock.ts'
import { createUploader, type UploadSource } from '../control/uploader.ts'

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** An outbox with events numbered from 1 on, of which a batch takes up to `batchMax`. */
function sourceOf(count: number, batchMax = 3) {
  const acknowledged: (readonly [number, number])[] = []
  const source = {
    uploaded: 0,
    count,
    acknowledged,
    settledAfter: async (seq: number) => {
      const last = Math.min(source.count, seq + batchMax)
      return last > seq ? { json: JSON.stringify({ from: seq + 1, to: last }), count: last - seq, last } : null
    },
    acknowledge: (_: number, seq: number, events: number) => {
      source.uploaded = seq
      acknowledged.push([seq, events])
    },
    flush: async () => {},
  }
  return source satisfies UploadSource
}

/** Pauses that a test ends. */
function pausesOf() {
  const waiting: { readonly ms: number; readonly work: () => void }[] = []
  const timers: Timers = {
    after: (ms, work) => {
      const entry = { ms, work }
      waiting.push(entry)
      return () => void waiting.splice(waiting.indexOf(entry), waiting.includes(entry) ? 1 : 0)
    },
  }
  return { timers, waiting }
}

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

const answerTo = (json: string): EventBatchAnswer => {
  const { from, to }: { readonly from: number; readonly to: number } = JSON.parse(json)
  return { storedThrough: to, stored: to - from + 1, repeated: 0, refused: [] }
}

t.test(
  'what the last process left goes up first, in order, and each batch is acknowledged once it is stored',
  async (t) => {
    const source = sourceOf(7)
    const sent: string[] = []
    const client = {
      sendEvents: async (json: string) => {
        t.equal(source.uploaded, JSON.parse(json).from - 1, 'the batch before was acknowledged')
        sent.push(json)
        return answerTo(json)
      },
      close: async () => {},
    }
    const { timers, waiting } = pausesOf()
    const uploader = createUploader({ source, client, timers, random: () => 0, log: SILENT })
    await settled()
    t.same(sent, ['{"from":1,"to":3}', '{"from":4,"to":6}', '{"from":7,"to":7}'])
    t.same(source.acknowledged, [
      [3, 3],
      [6, 3],
      [7, 1],
    ])
    source.count = 9
    uploader.wake()
    await settled()
    t.equal(sent.length, 3, 'it waits a little for others')
    waiting[0]?.work()
    await settled()
    t.equal(sent[3], '{"from":8,"to":9}')
    t.match(uploader.stats(), { events: { stored: 9 }, failures: 0 })
  },
)

t.test(
  'without an answer, or with one to something else, nothing is acknowledged and the same is sent again',
  async (t) => {
    const source = sourceOf(2)
    const sent: string[] = []
    const failures: (() => EventBatchAnswer)[] = [
      () => {
        throw new Error('ECONNREFUSED')
      },
      () => ({ storedThrough: 1, stored: 2, repeated: 0, refused: [] }),
    ]
    const client = {
      sendEvents: async (json: string) => {
        sent.push(json)
        return (failures.shift() ?? (() => answerTo(json)))()
      },
      close: async () => {},
    }
    const { timers, waiting } = pausesOf()
    const uploader = createUploader({ source, client, timers, random: () => 0, log: SILENT })
    const pauses: number[] = []
    for (let round = 1; round <= 2; round++) {
      await settled()
      t.same(source.acknowledged, [])
      uploader.wake()
      await settled()
      t.equal(sent.length, round, 'news do not hurry it')
      const [pause] = waiting.splice(0)
      pauses.push(pause?.ms ?? 0)
      pause?.work()
    }
    await settled()
    t.same(
      sent,
      Array.from({ length: 3 }, () => '{"from":1,"to":2}'),
    )
    t.same(source.acknowledged, [[2, 2]])
    t.ok((pauses[1] ?? 0) > (pauses[0] ?? 0), `it waits longer each time: ${pauses}`)
    t.equal(uploader.stats().failures, 2)
  },
)

t.test('a refused event is acknowledged, counted and told of', async (t) => {
  const source = sourceOf(2)
  const told: unknown[] = []
  const refused = [{ seq: 2, reason: 'path: holds a NUL character' }]
  const client = {
    sendEvents: async () => ({ storedThrough: 2, stored: 1, repeated: 0, refused }),
    close: async () => {},
  }
  const log = { ...SILENT, error: (_: string, fields?: unknown) => told.push(fields) }
  const uploader = createUploader({ source, client, timers: pausesOf().timers, random: () => 0, log })
  await settled()
  t.same(source.acknowledged, [[2, 2]])
  t.same(told, refused)
  t.match(uploader.stats(), { events: { stored: 1, refused: 1 } })
})

t.test(
  'at the end what is left goes up at once, and a control plane that is away does not hold up the end',
  async (t) => {
    const source = sourceOf(0)
    let away = false
    const client = {
      sendEvents: async (json: string) => {
        if (away) throw new Error('ECONNREFUSED')
        return answerTo(json)
      },
      close: async () => {},
    }
    const uploader = createUploader({ source, client, timers: pausesOf().timers, random: () => 0, log: SILENT })
    await settled()
    source.count = 8
    await uploader.drain(5_000)
    t.equal(source.uploaded, 8)

    away = true
    const other = sourceOf(2)
    const late = createUploader({ source: other, client, timers: pausesOf().timers, random: () => 0, log: SILENT })
    await settled()
    await late.drain(5_000)
    t.equal(other.uploaded, 0)
  },
)
