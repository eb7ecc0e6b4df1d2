import type { Listed } from '../indicator.ts'
import { threatOfWords } from './csv.ts'
import { type FeedSink, isRecord, listOf, severityOfConfidence, textOf } from './feed.ts'

const PATTERN_CHARS_MAX = 65_536

/** STIX 2.1 bundles: the patterns of their indicators that are equalities, one or several of which must hold. */
export function readStix(documents: readonly unknown[], nowMs: number, sink: FeedSink): void {
  const objects = documents.flatMap((each) =>
    isRecord(each) && each.type === 'bundle' ? listOf(each.objects) : [each],
  )
  for (const [at, object] of objects.entries()) {
    if (!isRecord(object) || object.type !== 'indicator') continue
    const line = at + 1
    const until = Date.parse(textOf(object.valid_until))
    if (object.revoked === true || until <= nowMs) continue
    const pattern = textOf(object.pattern)
    const listed = object.pattern_type === 'stix' || object.pattern_type === undefined ? readPattern(pattern) : null
    if (listed === null) {
      sink.problem({
        line,
        message: 'expected a pattern of equalities and OR on url, domain-name, ipv4-addr or file hashes',
      })
      continue
    }
    const words = [...listOf(object.indicator_types), ...listOf(object.labels)].map(textOf).join(' ')
    const severity = typeof object.confidence === 'number' ? severityOfConfidence(object.confidence) : 'high'
    for (const each of listed) sink.indicator({ ...each, threat: threatOfWords(words), severity })
  }
}

const COMPARISON =
  /\s*([a-z0-9-]{1,40}):([a-zA-Z_]{1,40}(?:\.(?:'[^'\\]{1,40}'|[\w-]{1,40}))?)\s*=\s*'((?:[^'\\]|\\['\\]){0,4096})'\s*/y
const BETWEEN = /(?:OR\b|\]\s*OR\s*\[)/y

/** What a pattern lists; `null` where it says more than that one of some values stands there. */
function readPattern(pattern: string): readonly Listed[] | null {
  const text = pattern.trim()
  if (text.length > PATTERN_CHARS_MAX || !text.startsWith('[') || !text.endsWith(']')) return null
  const listed: Listed[] = []
  for (let at = 1; ; at = BETWEEN.lastIndex) {
    COMPARISON.lastIndex = at
    const [, type = '', property = '', quoted = ''] = COMPARISON.exec(text) ?? []
    const one = listedOf(type, property, quoted.replace(/\\(.)/g, '$1'))
    if (one === null) return null
    listed.push(one)
    if (COMPARISON.lastIndex === text.length - 1) return listed
    BETWEEN.lastIndex = COMPARISON.lastIndex
    if (!BETWEEN.test(text)) return null
  }
}

function listedOf(type: string, property: string, value: string): Listed | null {
  if (type === 'file')
    return /^hashes\.'?(?:MD5|SHA-?1|SHA-?256)'?$/i.test(property) ? { kind: 'file-hash', value } : null
  if (property !== 'value') return null
  if (type === 'url') return { kind: 'url', value }
  if (type === 'domain-name') return { kind: 'domain', value }
  return type === 'ipv4-addr' || type === 'ipv6-addr' ? { kind: 'ip', value, port: null } : null
}
