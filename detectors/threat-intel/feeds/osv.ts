import { ECOSYSTEMS, type Ecosystem, type VersionRange } from '../indicator.ts'
import { type FeedSink, isRecord, listOf, textOf } from './feed.ts'

const VERSIONS_MAX = 1_000

/** OSV reports of malicious packages (ossf/malicious-packages), one or several. */
export function readOsv(documents: readonly unknown[], sink: FeedSink): void {
  for (const [at, document] of documents.entries()) {
    const line = at + 1
    if (!isRecord(document) || textOf(document.id) === '')
      sink.problem({ line, message: 'expected a report with an id' })
    // What turned out to be none.
    else if (document.withdrawn === undefined) readReport(document, line, sink)
  }
}

function readReport(report: Readonly<Record<string, unknown>>, line: number, sink: FeedSink): void {
  const affected = listOf(report.affected)
  if (affected.length === 0) sink.problem({ line, message: 'expected the packages that it affects' })
  for (const each of affected) {
    const named = isRecord(each) && isRecord(each.package) ? each.package : {}
    const ecosystem = ecosystemOf(textOf(named.ecosystem))
    if (!isRecord(each) || ecosystem === null || textOf(named.name) === '') {
      sink.problem({ line, message: 'expected a package of npm or PyPI with its name' })
      continue
    }
    const exact = listOf(each.versions)
      .map(textOf)
      .filter((version) => version !== '')
      .slice(0, VERSIONS_MAX)
    const ranges = listOf(each.ranges).flatMap(rangesOf)
    const all =
      ranges.some(({ from, to }) => from === '0' && to === null) || (exact.length === 0 && ranges.length === 0)
    sink.indicator({
      kind: 'package',
      ecosystem,
      name: textOf(named.name),
      versions: all ? null : { exact, ranges },
      threat: 'malicious-package',
      severity: 'critical',
    })
  }
}

const ecosystemOf = (name: string): Ecosystem | null =>
  ECOSYSTEMS.find((known) => known === name.toLowerCase().replace(/:.*$/, '')) ?? null

/** Events in order: what is introduced ends where it is fixed, or with the last version affected. */
function rangesOf(range: unknown): readonly VersionRange[] {
  if (!isRecord(range) || range.type === 'GIT') return []
  const ranges: VersionRange[] = []
  let from: string | null = null
  for (const event of listOf(range.events).slice(0, VERSIONS_MAX)) {
    if (!isRecord(event)) continue
    const [introduced, fixed, last] = [textOf(event.introduced), textOf(event.fixed), textOf(event.last_affected)]
    if (introduced !== '') from ??= introduced
    if (from === null || (fixed === '' && last === '')) continue
    ranges.push({ from, to: fixed === '' ? last : fixed, inclusive: fixed === '' })
    from = null
  }
  if (from !== null) ranges.push({ from, to: null, inclusive: false })
  return ranges
}
