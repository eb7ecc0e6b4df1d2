import { readNetwork } from '../address.ts'
import type { Listed } from '../indicator.ts'
import { type FeedSink, linesOf } from './feed.ts'

/** One indicator a line: a domain, URL, address, network or hash; as `hosts` files have it too. `#` begins a comment. */
export function readPlain(text: string, sink: FeedSink): void {
  for (const [line, row] of linesOf(text)) {
    const [word = '', second] = row
      .replace(/(?:^|\s)[#;].*$/, '')
      .trim()
      .split(/\s+/, 2)
    if (word === '') continue
    const value = second !== undefined && /^(?:0\.0\.0\.0|127\.0\.0\.1|::1?)$/.test(word) ? second : word
    const listed = value.length > 4_096 ? null : listedOf(value)
    if (listed === null) sink.problem({ line, message: 'expected a domain, URL, address, network or hash' })
    else sink.indicator({ ...listed, threat: 'listed', severity: 'high' })
  }
}

function listedOf(value: string): Listed | null {
  if (/^(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})$/i.test(value)) return { kind: 'file-hash', value }
  if (readNetwork(value) !== null) return { kind: 'ip', value, port: null }
  if (/^[a-z]{3,6}:\/\//i.test(value) || /^[^/]+\.[^/]+\//.test(value)) return { kind: 'url', value }
  return /^[^\s/]+(?:\.|\[\.\])[^\s/.]{2,}\.?$/.test(value) ? { kind: 'domain', value } : null
}
