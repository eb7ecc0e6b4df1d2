/** What an address is found to be, by whose text it stands in. */
import type { SegmentSource, Severity } from '@agentcostcontrol/contract'
import { carriedBy } from './carried.ts'
import { dropRule } from './drop-hosts.ts'
import { carriedByName } from './names.ts'
import { placeholdersOf } from './placeholders.ts'
import { isQuietHost } from './quiet-hosts.ts'
import type { ExfiltrationRuleId, Seen } from './rules.ts'
import { settingOf } from './setting.ts'
import type { Url } from './url.ts'

/** How bad a target is where it is called, fetched with what a client shows, and linked to; `null` is no finding. */
interface DropSeverities {
  readonly called: Severity | null
  readonly fetched: Severity | null
  readonly linked: Severity | null
}

const WAITING: DropSeverities = { called: 'high', fetched: 'high', linked: 'medium' }
const DOUBTFUL: DropSeverities = { called: 'medium', fetched: 'medium', linked: null }
const DROPS: Readonly<Partial<Record<ExfiltrationRuleId, DropSeverities>>> = {
  'interaction-host': WAITING,
  'request-bin': WAITING,
  tunnel: DOUBTFUL,
  'chat-webhook': DOUBTFUL,
  'paste-upload': DOUBTFUL,
}

/** Somebody's own address at a host that takes whatever is sent. @param isContent in a text that a call only writes down */
export function calledDrop(host: string, rest: string, isContent: boolean): Seen | null {
  const rule = dropRule(host, rest)
  const severity = rule === null ? null : (DROPS[rule]?.called ?? null)
  if (rule === null || severity === null) return null
  return { rule, severity: isContent && severity === 'high' ? 'medium' : severity }
}

/** What an address is found to be; `null` for nothing. */
export function judgeUrl(text: string, url: Url, source: SegmentSource, isContent: boolean): Seen | null {
  const { hostStart, hostEnd, templates } = url
  const host = text.slice(hostStart, hostEnd).toLowerCase()
  const rest = restOf(text, url)
  const drop = dropRule(host, rest) === null ? null : dropAt(text, url, host, rest, source, isContent)
  // What a tool's result shows is there already: an order to show more has a place to put it.
  if (source === 'tool_result') {
    if (templates.length === 0 && !rest.includes('=')) return drop
    const asked = placeholdersOf(text, url, settingOf(text, url.start).isFetched)
    return asked === null || isQuietHost(host, rest) ? drop : asked
  }
  if (drop?.severity === 'high') return drop
  const named = carriedByName(text.slice(hostStart, hostEnd))
  if (named !== null) return named
  if (rest.length <= REST_CHARS_MIN) return drop
  // Of most nothing is to be said, wherever they stand.
  let carried = carriedBy(rest, true)
  if (carried === null || isQuietHost(host, rest)) return drop
  if (!settingOf(text, url.start).isFetched) carried = carriedBy(rest, false)
  return carried ?? drop
}

/** What stands behind the host and its port. */
function restOf(text: string, { hostEnd, end }: Url): string {
  if (end <= hostEnd) return ''
  const rest = text.slice(hostEnd, end)
  return rest.startsWith(':') ? rest.replace(/^:\d+/, '') : rest
}

/** Whether an address could be a finding in a call, whatever it stands in. */
export function mayBeAny(text: string, url: Url): boolean {
  const [written, rest] = [text.slice(url.hostStart, url.hostEnd), restOf(text, url)]
  return (
    dropRule(written.toLowerCase(), rest) !== null || carriedByName(written) !== null || carriedBy(rest, true) !== null
  )
}

const REST_CHARS_MIN = 16

function dropAt(
  text: string,
  { start }: Url,
  host: string,
  rest: string,
  source: SegmentSource,
  isContent: boolean,
): Seen | null {
  if (source === 'tool_call') return calledDrop(host, rest, isContent)
  const rule = dropRule(host, rest)
  if (rule === null) return null
  const { isFetched } = settingOf(text, start)
  const severity = isFetched ? DROPS[rule]?.fetched : rest.includes('?') ? DROPS[rule]?.linked : null
  if (severity == null) return null
  // In a result it is somebody's picture; that it carries something away is not said.
  if (source === 'tool_result') return isFetched ? { rule, severity: 'medium' } : null
  return { rule, severity }
}
