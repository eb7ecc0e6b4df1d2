import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import type { Answer, AnswerResult, Reply, Upstream } from '../answer/answer.ts'
import { type ContentCoding, contentCoding } from '../answer/coding.ts'
import type { AnswerInspection } from '../answer/inspection.ts'
import { openStreamAnswer } from '../answer/stream.ts'
import { inspectionThat } from './support/detectors.ts'
import { givenOf, RECORDED, type Recorded, requestOf } from './support/recorded.ts'

const DECODE: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  identity: (bytes) => bytes,
  gzip: gunzipSync,
  deflate: inflateSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
}

interface Passed {
  /** What the client got. */
  readonly bytes: Buffer
  readonly whole: boolean
  readonly result: AnswerResult
}

interface Way {
  readonly coding: ContentCoding | 'identity'
  /** The client takes nothing for a turn of the event loop after each write. */
  readonly slow?: boolean
  /** The provider breaks off behind the last chunk. */
  readonly breaks?: boolean
  readonly inspection?: AnswerInspection
}

/** Sends chunks through the answer path as a provider would that stops when it is told to. */
async function pass(
  recorded: Recorded,
  chunks: readonly Buffer[],
  { coding, slow = false, breaks = false, inspection }: Way,
): Promise<Passed> {
  const out: Buffer[] = []
  let held = 0
  let waiting: (() => void) | null = null
  let goOn: (() => void) | null = null
  const over = Promise.withResolvers<boolean>()
  const finished = Promise.withResolvers<AnswerResult>()
  const reply: Reply = {
    headSent: true,
    head: () => {},
    write: (bytes) => {
      out.push(Buffer.from(bytes))
      if (slow && waiting === null)
        setImmediate(() => {
          const listener = waiting
          waiting = null
          listener?.()
        })
      return !slow
    },
    onDrain: (listener) => {
      waiting = listener
    },
    end: (bytes) => {
      if (bytes) out.push(bytes)
      over.resolve(true)
    },
    destroy: () => over.resolve(false),
    hold: () => true,
  }
  const upstream: Upstream = {
    pause: () => {
      held++
    },
    resume: () => {
      held--
      if (held === 0) goOn?.()
    },
    abort: () => {},
  }
  const answer: Answer = openStreamAnswer({
    reply,
    upstream,
    finish: finished.resolve,
    adapter: recorded.adapter,
    request: requestOf(recorded),
    inspection: inspection ?? null,
    coding,
    framing: recorded.framing,
    hidesUsage: recorded.given !== undefined,
    status: 200,
    statusOf: () => 500,
  })
  for (const chunk of chunks) {
    if (held > 0)
      await new Promise<void>((resolve) => {
        goOn = resolve
      })
    answer.data(Buffer.from(chunk))
  }
  if (breaks) answer.fail('acc_upstream_cut')
  else answer.end()
  const [whole, result] = await Promise.all([over.promise, finished.promise])
  for (let turn = 0; held !== 0 && turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
  if (held !== 0) throw new Error('the provider was left held back')
  return { bytes: Buffer.concat(out), whole, result }
}

/** A byte stream cut behind each of the given offsets. */
function cut(bytes: Buffer, offsets: readonly number[]): readonly Buffer[] {
  const edges = [0, ...[...new Set(offsets)].sort((a, b) => a - b), bytes.length]
  return edges.slice(1).map((edge, at) => bytes.subarray(edges[at], edge))
}

const CODINGS = ['gzip', 'deflate', 'br', 'zstd'].map((name) => {
  const coding = contentCoding(name)
  if (coding === null || coding === 'identity') throw new Error(name)
  return coding
})

/** Throws unless the client got what it should and the usage was read. */
function check(recorded: Recorded, passed: Passed, name: string, sent: Buffer, where: string): void {
  const text = DECODE[name]?.(passed.bytes).toString()
  const fits = recorded.given ? text === recorded.given() : passed.bytes.equals(sent)
  if (!fits) throw new Error(`${where}: ${recorded.given ? text : 'not the bytes that were sent'}`)
  const { facts, outcome, outputBytes } = passed.result
  if (JSON.stringify(facts?.rawUsage) !== JSON.stringify(recorded.rawUsage))
    throw new Error(`${where}: usage was not read, but ${JSON.stringify(facts?.rawUsage)}`)
  if (outcome !== 'completed' || outputBytes !== recorded.outputBytes)
    throw new Error(`${where}: ${outcome}, ${outputBytes}`)
}

for (const recorded of RECORDED) {
  const clear = Buffer.from(recorded.stream())

  t.test(
    `${recorded.name}: it arrives, and its usage is read, wherever it is cut in two, in every coding`,
    async (t) => {
      for (const coding of ['identity' as const, ...CODINGS]) {
        const name = coding === 'identity' ? coding : coding.name
        const bytes = coding === 'identity' ? clear : await coding.encode(clear)
        await t.resolves(async () => {
          for (const at of bytes.keys())
            check(recorded, await pass(recorded, cut(bytes, [at]), { coding }), name, bytes, `cut at ${at}`)
          const each = await pass(recorded, cut(bytes, [...bytes.keys()]), { coding, slow: true })
          check(recorded, each, name, bytes, 'byte by byte')
        }, name)
      }
    },
  )

  t.test(
    `${recorded.name}: nor does it matter into how many pieces it is cut, and how slow the client is`,
    async (t) => {
      const encoded = new Map<string, Buffer>()
      for (const coding of CODINGS) encoded.set(coding.name, await coding.encode(clear))
      await t.resolves(() =>
        fc.assert(
          fc.asyncProperty(
            fc.constantFrom(...CODINGS, 'identity' as const),
            fc.boolean(),
            fc.array(fc.nat(), { maxLength: 60 }),
            async (coding, slow, offsets) => {
              const name = coding === 'identity' ? coding : coding.name
              const bytes = encoded.get(name) ?? clear
              const chunks = cut(
                bytes,
                offsets.map((offset) => offset % bytes.length),
              )
              check(recorded, await pass(recorded, chunks, { coding, slow }), name, bytes, 'random cuts')
            },
          ),
          { numRuns: 100 },
        ),
      )
    },
  )

  t.test(
    `${recorded.name}: of one that breaks off the client gets what came; the usage that came counts`,
    async (t) => {
      for (const coding of ['identity' as const, ...CODINGS]) {
        const name = coding === 'identity' ? coding : coding.name
        const bytes = coding === 'identity' ? clear : await flushed(coding, clear)
        const { bytes: got, whole, result } = await pass(recorded, [bytes], { coding, breaks: true, slow: true })
        t.equal(whole, false, name)
        t.equal(result.outcome, 'failed')
        t.same(result.facts?.rawUsage, recorded.rawUsage)
        if (recorded.given) t.equal(DECODE[name]?.(got).toString(), givenOf(recorded), `${name}: all that came`)
        else t.ok(got.equals(bytes), `${name}: the bytes that came`)
      }
    },
  )
}

t.test('a stream that is not compressed as it says, or not to its end, is told of as unread', async (t) => {
  const [recorded] = RECORDED
  if (!recorded) return
  const clear = Buffer.from(recorded.stream())
  for (const coding of CODINGS) {
    for (const bytes of [clear, await flushed(coding, clear)]) {
      for (const action of ['block', 'alert'] as const) {
        const { result, whole } = await pass(recorded, [bytes], { coding, inspection: inspectionThat(action) })
        const unread = { detectorId: 'inspection', ruleId: 'unreadable', action, count: 1 }
        t.match(result.findings, [unread], `${coding.name}, ${action}`)
        if (action === 'block') t.match([whole, result], [false, { outcome: 'failed', code: 'acc_upstream_cut' }])
      }
    }
  }
})

/** Compressed, flushed and not ended, as a stream is that breaks off. */
function flushed(coding: ContentCoding, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    const encoder = coding.encoder()
    const parts: Buffer[] = []
    encoder.on('data', (part: Buffer) => parts.push(part))
    encoder.write(bytes, () => setImmediate(() => resolve(Buffer.concat(parts))))
  })
}
