/** Reads lists and makes indexes, off the main thread: one task after the other. */
import { createHash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { gzipSync } from 'node:zlib'
import { compileFeeds, type FeedFormat } from '@agentcostcontrol/detectors/threat-intel'
import { countsOf, type IntelResult, type IntelTask, type ListBytes, type ListCounts } from './tasks.ts'
import { unpack } from './unpack.ts'

const PACKED = { level: 4 } as const
/** Where most of these lines cannot be read the list is of another format, or an error page. */
const OF_LINES: ReadonlySet<FeedFormat> = new Set(['urlhaus', 'threatfox', 'plain'])

function read({ name, format, kind, bytes }: ListBytes, nowMs: number): IntelResult {
  const unpacked = unpack(bytes)
  if (!unpacked.ok) return { kind: 'refused', reason: unpacked.reason }
  const { text } = unpacked
  const [summary] = compileFeeds([{ name, format, text, suppress: kind === 'suppress' }], nowMs).lists
  if (summary === undefined) throw new Error('a list without a summary')
  const counts = countsOf(summary)
  const reason = uselessness(counts, format)
  if (reason !== null) return { kind: 'refused', reason }
  const raw = Buffer.from(text)
  const hash = createHash('sha256').update(raw).digest('hex')
  return { kind: 'read', read: { hash, textBytes: raw.length, packed: own(gzipSync(raw, PACKED)), counts } }
}

/** Why a list had better not be taken; `null` where it can be used. */
function uselessness({ entries, suppressed, skipped, problems }: ListCounts, format: FeedFormat): string | null {
  const [first] = problems
  const where = first === undefined ? '' : `; line ${first.line}: ${first.message}`
  if (entries + suppressed === 0) return `nothing in it can be read as ${format}${where}`
  if (OF_LINES.has(format) && skipped > entries + suppressed)
    return `most of it cannot be read as ${format}: ${skipped} lines, and ${entries + suppressed} can${where}`
  return null
}

function build(lists: readonly ListBytes[], nowMs: number): IntelResult {
  const feeds = lists.map(({ name, format, kind, bytes }) => ({
    name,
    format,
    suppress: kind === 'suppress',
    // One after the other: together they may be larger than the thread.
    get text(): string {
      const unpacked = unpack(bytes)
      if (!unpacked.ok) throw new Error(`the list ${name} that was stored is not taken: ${unpacked.reason}`)
      return unpacked.text
    },
  }))
  const { index, entries, lists: summaries } = compileFeeds(feeds, nowMs)
  const bytes = new Uint8Array(new Uint8Array(index))
  const version = createHash('sha256').update(bytes).digest('hex')
  const named = summaries.map((summary) => ({ name: summary.name, counts: countsOf(summary) }))
  return { kind: 'built', built: { version, entries, bytes, lists: named } }
}

/** Bytes in memory of their own, which can be handed over. */
const own = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes)

parentPort?.on('message', (task: IntelTask) => {
  const result = task.kind === 'read' ? read(task.list, task.nowMs) : build(task.lists, task.nowMs)
  const handed = result.kind === 'read' ? result.read.packed : result.kind === 'built' ? result.built.bytes : null
  parentPort?.postMessage(result, handed === null ? [] : [handed.buffer])
})
