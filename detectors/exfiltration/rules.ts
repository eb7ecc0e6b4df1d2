import type { Finding, Severity, Taxonomy } from '@agentcostcontrol/contract'
import { DATA_LEAVES, DATA_RENDERED, UNTRUSTED_ARGUMENT } from '../taxonomy.ts'

/** What a rule is about. */
interface ExfiltrationRule {
  readonly category: string
  readonly taxonomy: Taxonomy
}

const rendered: ExfiltrationRule = { category: 'rendered-data', taxonomy: DATA_RENDERED }
const target: ExfiltrationRule = { category: 'drop-target', taxonomy: DATA_LEAVES }
const order: ExfiltrationRule = { category: 'rendering-order', taxonomy: UNTRUSTED_ARGUMENT }

/** Every rule, by its name. */
export const EXFILTRATION_RULES = {
  /** A picture, or anything else that a client fetches by itself, whose address carries data. */
  'image-data': rendered,
  /** A link, or the target of a call, whose address carries encoded text. */
  'link-data': rendered,
  /** Such a picture with a place to put data in: an order to render it. */
  'image-placeholder': order,
  /** A link with a place to put what was said, or what is secret. */
  'link-placeholder': order,
  /** A host name whose labels carry data. */
  'dns-data': target,
  /** A server that tells its owner who called: by DNS too. */
  'interaction-host': target,
  /** An inbox for requests. */
  'request-bin': target,
  /** A tunnel to a machine that nobody knows. */
  tunnel: target,
  /** A hook that posts into a chat, a form or a flow. */
  'chat-webhook': target,
  /** Where pastes and files are put without an account. */
  'paste-upload': target,
} as const satisfies Readonly<Record<string, ExfiltrationRule>>
/** The name of a rule. */
export type ExfiltrationRuleId = keyof typeof EXFILTRATION_RULES

/** What was seen at an address, before it is told where that stands. */
export interface Seen {
  readonly rule: ExfiltrationRuleId
  readonly severity: Severity
}

const SCORES: Readonly<Record<Severity, number>> = { low: 0.4, medium: 0.6, high: 0.9, critical: 0.95 }

/** A finding of it. */
export const findingOf = ({ rule, severity }: Seen, start: number, end: number): Finding => ({
  detectorId: 'exfiltration',
  ruleId: rule,
  ...EXFILTRATION_RULES[rule],
  severity,
  score: SCORES[severity],
  start,
  end,
})
