import { readThreatfox, readUrlhaus } from './csv.ts'
import { type FeedFormat, type FeedSink, isRecord, linesOf } from './feed.ts'
import { readOsv } from './osv.ts'
import { readPlain } from './plain.ts'
import { readStix } from './stix.ts'
import { readWarninglists } from './warninglist.ts'

/** Reads a list, whatever is in it. @param nowMs since the epoch: what is no longer valid then is left out */
export function readFeed(format: FeedFormat, text: string, nowMs: number, sink: FeedSink): void {
  switch (format) {
    case 'urlhaus':
      readUrlhaus(text, sink)
      break
    case 'threatfox':
      readThreatfox(text, sink)
      break
    case 'plain':
      readPlain(text, sink)
      break
    case 'osv':
      readOsv(documentsOf(text, sink), sink)
      break
    case 'stix':
      readStix(documentsOf(text, sink), nowMs, sink)
      break
    case 'misp-warninglist':
      readWarninglists(documentsOf(text, sink), sink)
      break
  }
}

/** A document, a list of them, or one a line. */
function documentsOf(text: string, sink: FeedSink): readonly unknown[] {
  const whole = parse(text)
  if (whole !== undefined) return Array.isArray(whole) ? whole : [whole]
  const documents: unknown[] = []
  for (const [line, row] of linesOf(text)) {
    if (row.trim() === '') continue
    const document = parse(row)
    if (document === undefined) sink.problem({ line, message: 'it is not JSON' })
    else documents.push(document)
  }
  return documents
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text.startsWith('\ufeff') ? text.slice(1) : text)
  } catch {
    return undefined
  }
}

/** The format of a file by its name and what is in it. */
export function guessFormat(name: string, text: string): FeedFormat {
  const head = text.slice(0, 4_096)
  if (/threatfox/i.test(name) || /"ioc_value"/.test(head)) return 'threatfox'
  if (/urlhaus/i.test(name) || /urlhaus_link/.test(head)) return 'urlhaus'
  if (!/^\s*[[{]/.test(head)) return 'plain'
  const [line = ''] = text.trimStart().split('\n', 1)
  const whole = parse(text) ?? parse(line)
  const first: unknown = Array.isArray(whole) ? whole[0] : whole
  if (!isRecord(first)) return 'plain'
  if (Array.isArray(first.affected)) return 'osv'
  return Array.isArray(first.list) ? 'misp-warninglist' : 'stix'
}
