import type { Severity } from '@agentcostcontrol/contract'
import type { CallArgument, ReadCall, ValueKind } from '@agentcostcontrol/detectors'
import { type Delegated, handsOver } from '@agentcostcontrol/detectors'

/** What a session knows of a value, as bits. */
export const KNOWN = {
  /** The user, the system prompt or a tool's definition said it. */
  TRUSTED: 1,
  /** A tool's result said it in a sentence. */
  PROSE: 2,
  /** A tool's result had it as a field. */
  FIELD: 4,
  /** A text that speaks to the model said it. */
  HOSTILE: 8,
  /** It stood beside a name that the user said, or the user was shown it and went on. */
  NAMED: 16,
  /** It was the only one of its kind in a result. */
  ONLY: 32,
  /** It was the only one in a result that the user asked for by name. */
  ASKED: 64,
  /** The domain of an address that the user or the system said. */
  ORGANISATION: 128,
  /** The model called something with it before any text had said it. */
  OWN: 256,
} as const

const UNTRUSTED = KNOWN.PROSE | KNOWN.FIELD | KNOWN.HOSTILE

const DELEGATED_KIND: Readonly<Record<ValueKind, Delegated>> = {
  email: 'email',
  account: 'account',
  token: 'account',
  url: 'url',
  host: 'url',
  path: 'url',
}

/**
 * How bad it is that a call's argument has a value with this past; `null` if it is as it should be.
 * - `high`: an untrusted text said it, and nobody asked for it, or the text speaks to the model.
 * - `medium`: the user left it to a text, but not clearly to this one, or it is a field of a record.
 * - `low`: the user left it to that text.
 */
export function gradeValue(
  bits: number,
  kind: ValueKind,
  argument: CallArgument,
  call: ReadCall,
  delegated: ReadonlySet<Delegated>,
): Severity | null {
  if ((bits & (KNOWN.TRUSTED | KNOWN.OWN)) !== 0 || (bits & UNTRUSTED) === 0) return null
  const concern = concernOf(kind, argument, call)
  if (concern === 'none' || (concern === 'hostile' && (bits & KNOWN.HOSTILE) === 0)) return null
  if ((bits & KNOWN.HOSTILE) !== 0) return 'high'
  if ((bits & (KNOWN.NAMED | KNOWN.ASKED | KNOWN.ORGANISATION)) !== 0) return 'low'
  if (argument.role !== 'command' && delegated.has(DELEGATED_KIND[kind]))
    return (bits & (KNOWN.FIELD | KNOWN.ONLY)) !== 0 ? 'low' : 'medium'
  return (bits & KNOWN.FIELD) !== 0 ? 'medium' : 'high'
}

/** Whether a value decides something here: always, only where a hostile text gave it, or never. */
function concernOf(kind: ValueKind, { role, text }: CallArgument, { acts }: ReadCall): 'always' | 'hostile' | 'none' {
  if (role === 'credential') return 'none'
  if (kind === 'path') return acts && role !== 'content' ? 'hostile' : 'none'
  if (role === 'content') return kind === 'url' || kind === 'host' ? 'hostile' : 'none'
  if (role === 'command')
    return kind === 'account' || kind === 'token' ? 'none' : handsOver(text) ? 'always' : 'hostile'
  if (!acts) return kind === 'url' || kind === 'host' ? 'hostile' : 'none'
  if (kind === 'account' || kind === 'token') return role === 'recipient' ? 'always' : 'none'
  return 'always'
}
