import type { Segment } from '@agentcostcontrol/contract'
import type { ProviderAdapter, SegmentEdit } from '../../providers/provider.ts'
import { withValues } from './placeholder-reader.ts'
import { PLACEHOLDER_START } from './placeholders.ts'
import type { RedactedValues } from './redacted-values.ts'

const START = Buffer.from(PLACEHOLDER_START)

/** A plain answer, judged, with the values of its request back in it; the same bytes if none is named. */
export function restoreAnswer(body: Buffer, adapter: ProviderAdapter, values: RedactedValues): Buffer {
  if (!body.includes(START)) return body
  const edits: SegmentEdit[] = []
  for (const segment of adapter.answerSegments(JSON.parse(body.toString()))) {
    if (!mayChange(segment)) continue
    const { source, text, tool } = segment
    const restored = withValues(text, values, source === 'tool_call' ? (tool ?? null) : undefined)
    if (restored !== text) edits.push({ segment, text: restored })
  }
  if (edits.length === 0) return body
  try {
    return adapter.replaceSegments(body, edits)
  } catch {
    // The value would break the JSON that it stands in: its client has the placeholder.
    return body
  }
}

/** Thoughts that a provider may have signed. */
const SIGNED: ReadonlySet<unknown> = new Set(['reasoning_details'])

/** Whether values may be put back into a text of an answer: not where the provider would refuse it in a later turn. */
export const mayChange = ({ sealed, path }: Pick<Segment, 'sealed' | 'path'>): boolean =>
  sealed !== true && !path.some((step) => SIGNED.has(step))
