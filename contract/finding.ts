/** Who wrote a piece of text. Trust follows the source. */
export const SEGMENT_SOURCES = ['system', 'user', 'assistant', 'tool_definition', 'tool_call', 'tool_result'] as const
/** One of {@link SEGMENT_SOURCES}. */
export type SegmentSource = (typeof SEGMENT_SOURCES)[number]

/**
 * Everything that finds something, each under its own id. All but the last three judge a text by itself; `prompt-leak`
 * and `flow` need the conversation, `custom` the policy's own rules.
 */
export const DETECTOR_IDS = [
  'secrets',
  'pii',
  'prompt-injection',
  'jailbreak',
  'dangerous-command',
  'exfiltration',
  'tool-poisoning',
  'smuggling',
  'threat-intel',
  'prompt-leak',
  'flow',
  'custom',
] as const
/** One of {@link DETECTOR_IDS}. */
export type DetectorId = (typeof DETECTOR_IDS)[number]

/** One piece of text of a request or an answer, and who wrote it. */
export interface Segment {
  readonly source: SegmentSource
  /** Where it stands: keys and indexes from the root of the JSON body, e.g. `['messages', 3, 'content']`. */
  readonly path: readonly (string | number)[]
  readonly text: string
  /** The tool that is defined, called, or whose result it is; left out where the format does not say. */
  readonly tool?: string
  /** True where the text is signed by the provider, or stands there encoded: it may be judged, never changed. */
  readonly sealed?: boolean
  /** True for the text of a file that stands in the body as base64. */
  readonly decoded?: boolean
}

/** How bad a finding is, ascending. */
export const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const
/** One of {@link SEVERITIES}. */
export type Severity = (typeof SEVERITIES)[number]

/** What a policy can do about a finding, ascending in strength. `quarantine` blocks, and stops the agent everywhere. */
export const FINDING_ACTIONS = ['allow', 'alert', 'warn', 'redact', 'block', 'quarantine'] as const
/** One of {@link FINDING_ACTIONS}. */
export type FindingAction = (typeof FINDING_ACTIONS)[number]

/** Where a finding stands in the public taxonomies; ids only, e.g. `LLM02:2025`. */
export interface Taxonomy {
  readonly owaspLlm: string | null
  readonly owaspAgentic: string | null
  readonly mitreAtlas: string | null
}

/**
 * What a detector saw. It says where and what kind, never the matched text.
 * `start` and `end` are offsets in UTF-16 code units of the segment's text, end exclusive.
 */
export interface Finding {
  readonly detectorId: string
  /** The rule inside the detector, e.g. `openai-api-key`. */
  readonly ruleId: string
  readonly category: string
  readonly severity: Severity
  /** Confidence, 0 to 1. Where a policy grades by score, the severity follows from it. */
  readonly score: number
  readonly start: number
  readonly end: number
  readonly taxonomy: Taxonomy
}
