import { type Added, createIndexBuilder } from '../index-builder.ts'
import { ThreatIndex } from '../index-reader.ts'
import type { Indicator } from '../indicator.ts'
import type { FeedFormat, FeedProblem } from './feed.ts'
import { readFeed } from './read-feed.ts'
import { Suppressions } from './warninglist.ts'

/** A list as it came. */
export interface Feed {
  readonly name: string
  readonly format: FeedFormat
  /** Read once. */
  readonly text: string
  /** Whether what it lists is no threat, whatever other lists say, as what a warninglist lists is. */
  readonly suppress?: boolean
}

/** What a list holds. */
export interface FeedSummary {
  readonly name: string
  /** Indicators that were taken; of a warninglist its values. */
  readonly entries: number
  /** The indicators among them, by their kind. */
  readonly kinds: Readonly<Record<Indicator['kind'], number>>
  /** Indicators that a warninglist names, and hosts that everybody puts things on. */
  readonly suppressed: number
  /** What could not be read, and what there was no room for. */
  readonly failed: number
  /** The first of them. */
  readonly problems: readonly FeedProblem[]
}

/** An index, and what became of each list. */
export interface CompiledFeeds {
  readonly index: SharedArrayBuffer
  /** Of the index, its canary among them. */
  readonly entries: number
  readonly lists: readonly FeedSummary[]
}

const PROBLEMS_MAX = 20
const WHY: Readonly<Record<Exclude<Added, 'added' | 'shared'>, string>> = {
  invalid: 'an indicator is not what its kind says',
  full: 'there is no room for more indicators',
}

/** Makes one index of lists. Those of what is no threat are read first: what they name is not taken from the others. */
export function compileFeeds(feeds: readonly Feed[], nowMs: number): CompiledFeeds {
  const builder = createIndexBuilder()
  const suppressions = new Suppressions()
  const isWarning = ({ format, suppress }: Feed): boolean => format === 'misp-warninglist' || suppress === true
  const summaries = new Map<Feed, FeedSummary>()
  for (const feed of [...feeds.filter(isWarning), ...feeds.filter((each) => !isWarning(each))]) {
    const problems: FeedProblem[] = []
    const kinds = { domain: 0, url: 0, ip: 0, 'file-hash': 0, package: 0 }
    let [entries, suppressed, failed, number] = [0, 0, 0, 0]
    const fail = (problem: FeedProblem): void => {
      failed++
      if (problems.length < PROBLEMS_MAX) problems.push(problem)
    }
    readFeed(feed.format, feed.text, nowMs, {
      problem: fail,
      warninglist: (list) => {
        const refused = suppressions.add(list)
        entries += list.values.length - refused
        if (refused > 0) fail({ line: 1, message: `${refused} values of the type ${list.type} could not be taken` })
      },
      indicator: (indicator) => {
        number++
        const added = feed.suppress
          ? suppressions.spare(indicator)
          : suppressions.has(indicator)
            ? 'shared'
            : builder.add(indicator)
        if (added === 'added') {
          entries++
          kinds[indicator.kind]++
        } else if (added === 'shared') suppressed++
        else fail({ line: number, message: WHY[added] })
      },
    })
    summaries.set(feed, { name: feed.name, entries, kinds, suppressed, failed, problems })
  }
  const index = builder.build()
  return { index, entries: new ThreatIndex(index).entries, lists: feeds.flatMap((feed) => summaries.get(feed) ?? []) }
}
