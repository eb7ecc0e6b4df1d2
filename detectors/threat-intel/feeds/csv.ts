import type { Indicator, Listed, Threat } from '../indicator.ts'
import { type FeedSink, linesOf, severityOfConfidence } from './feed.ts'

const LINE_CHARS_MAX = 16_384

/** The fields of a line, quoted or not, with or without blanks behind the commas. Some more quotes do no harm. */
function csvFields(line: string): readonly string[] {
  const fields: string[] = []
  for (let at = 0; at <= line.length; ) {
    while (line[at] === ' ' || line[at] === '\t') at++
    if (line[at] !== '"') {
      const comma = line.indexOf(',', at)
      const end = comma === -1 ? line.length : comma
      fields.push(line.slice(at, end).trim())
      at = end + 1
      continue
    }
    let field = ''
    for (at++; at < line.length; ) {
      const quote = line.indexOf('"', at)
      const end = quote === -1 ? line.length : quote
      field += line.slice(at, end)
      at = end + 1
      if (line[at] !== '"' || quote === -1) break
      field += '"'
      at++
    }
    fields.push(field)
    const comma = line.indexOf(',', at)
    at = comma === -1 ? line.length + 1 : comma + 1
  }
  return fields
}

/** Tells of each line's fields; comments and empty lines are none. */
function eachRow(text: string, sink: FeedSink, onRow: (fields: readonly string[], line: number) => void): void {
  for (const [line, row] of linesOf(text)) {
    if (row.trim() === '' || row.startsWith('#')) continue
    if (row.length > LINE_CHARS_MAX)
      sink.problem({ line, message: `the line has more than ${LINE_CHARS_MAX} characters` })
    else onRow(csvFields(row), line)
  }
}

const THREATS: readonly (readonly [pattern: RegExp, threat: Threat])[] = [
  [/phish/i, 'phishing'],
  [/botnet|c2|cc\b|command/i, 'command-and-control'],
  [/malware|payload|ransom|trojan/i, 'malware'],
]

/** What words of a list come down to. */
export const threatOfWords = (words: string): Threat =>
  THREATS.find(([pattern]) => pattern.test(words))?.[1] ?? 'listed'

/** URLhaus: `id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter`. */
export function readUrlhaus(text: string, sink: FeedSink): void {
  eachRow(text, sink, (fields, line) => {
    const [id = '', , url = '', status = '', , threat = ''] = fields
    if (id === 'id' && url === 'url') return
    if (!/^[a-z]{3,6}:\/\//i.test(url)) {
      sink.problem({ line, message: 'expected id, date and a URL' })
      return
    }
    sink.indicator({
      kind: 'url',
      value: url,
      threat: threat === '' ? 'malware' : threatOfWords(threat),
      severity: status === 'offline' ? 'medium' : 'high',
    })
  })
}

/** What ThreatFox has in its third column, by what the fourth says; `null` for what is not looked for in texts. */
function listedOf(value: string, type: string): Listed | null {
  if (type === 'domain' || type === 'url') return { kind: type, value }
  if (/^(?:md5|sha1|sha256)_hash$/.test(type)) return { kind: 'file-hash', value }
  if (type !== 'ip:port') return null
  const colon = value.lastIndexOf(':')
  const port = Number(value.slice(colon + 1))
  return {
    kind: 'ip',
    value: value.slice(0, colon),
    port: Number.isInteger(port) && port > 0 && port < 65_536 ? port : null,
  }
}

/** ThreatFox: `"first_seen_utc", "ioc_id", "ioc_value", "ioc_type", "threat_type", …, "confidence_level", …`. */
export function readThreatfox(text: string, sink: FeedSink): void {
  eachRow(text, sink, (fields, line) => {
    const [, , value = '', type = '', threat = ''] = fields
    if (value === 'ioc_value') return
    const confidence = Number(fields[9])
    if (value === '' || value === 'None' || !/^[a-z0-9_:]+$/.test(type)) {
      sink.problem({ line, message: 'expected date, id, value and type of an indicator' })
      return
    }
    const listed = listedOf(value, type)
    if (listed === null) {
      sink.problem({ line, message: `indicators of the type ${type.slice(0, 40)} are not looked for` })
      return
    }
    const severity = fields[9] === undefined || fields[9] === '' ? 'medium' : severityOfConfidence(confidence)
    const indicator: Indicator = { ...listed, severity, threat: threatOfWords(threat) }
    sink.indicator(indicator)
  })
}
