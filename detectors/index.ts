export { createCustomDetector } from './custom/detector.ts'
export { type DetectorEnvironment, detectorsFor, EMPTY_ENVIRONMENT } from './environment.ts'
export { exfiltrationDetector } from './exfiltration/detector.ts'
export { type CallArgument, handsOver, type ReadCall, readCall } from './flow/calls.ts'
export { isCued, isField, nearby } from './flow/context.ts'
export { findCues } from './flow/cues.ts'
export { decodings } from './flow/decoded.ts'
export { extractValues, type ValueKind } from './flow/values.ts'
export { type Delegated, readAsked, wordsNear } from './flow/words.ts'
export { piiDetector } from './pii/detector.ts'
export { PII_TYPES } from './pii/types.ts'
export { createCanaryDetector } from './prompt-leak/canaries.ts'
export { mergeFindings, type PlaceholderOf, redactText, ruleName } from './redact.ts'
export { DETECTORS } from './registry.ts'
export { forgetText } from './scan/units.ts'
export { secretsDetector } from './secrets/detector.ts'
export { selfTest } from './self-test.ts'
export {
  DATA_LEAVES,
  SYSTEM_PROMPT_LEAKS,
  TOOL_NOT_AS_PINNED,
  UNBOUNDED_CONSUMPTION,
  UNTRUSTED_ARGUMENT,
} from './taxonomy.ts'
export { createThreatIntelDetector } from './threat-intel/detector.ts'
export { type CompiledFeeds, compileFeeds } from './threat-intel/feeds/compile-feeds.ts'
export { guessFormat } from './threat-intel/feeds/read-feed.ts'
export { ThreatIndex } from './threat-intel/index-reader.ts'
export type * from './types.ts'
