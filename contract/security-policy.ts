/** What the detectors look for and what is done about it, as people write it. What it means is decided in `policy/`. */
import * as z from 'zod'
import { DETECTOR_IDS, FINDING_ACTIONS, SEGMENT_SOURCES, SEVERITIES } from './finding.ts'
import { metadata, mode, POLICY_API_VERSION } from './policy-parts.ts'
import { PROVIDER_NAMES } from './providers.ts'
import { runawaySettings } from './runaway-policy.ts'

/** An object with any of these keys. */
const partial = <K extends string, S extends z.ZodType>(keys: readonly K[], schema: S) =>
  z.strictObject(Object.fromEntries(keys.map((key) => [key, schema.optional()])) as Record<K, z.ZodOptional<S>>)

/** An action for each severity. */
export const severityActions = partial(SEVERITIES, z.enum(FINDING_ACTIONS))

const name = z.string().min(1).max(253)

/** Findings that are none: whoever reads the policy sees what is let through. */
const allowances = z.strictObject({
  /** SHA-256, hex, of the matched text or of the whole text that it stands in. */
  hashes: z
    .array(z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 as 64 hex digits'))
    .max(10_000)
    .default([]),
  /** Tools whose definitions, calls and results it does not look at. */
  tools: z.array(name).max(1_000).default([]),
  /** Hosts that links, URLs and domains may name; a leading dot takes every host below. */
  hosts: z
    .array(
      z
        .string()
        .regex(/^\.?[a-z0-9-]+(\.[a-z0-9-]+)*$/, 'expected a host in lower case, like "example.com" or ".example.com"'),
    )
    .max(10_000)
    .default([]),
})

/** What is done about one detector's findings. */
const detectorSettings = z
  .strictObject({
    mode: mode.default('enforce'),
    /** Action by severity for text that goes to the provider; a severity left out is `alert`. */
    request: severityActions.default({}),
    /** Action by severity for text that comes back; a severity left out is `alert`. */
    response: severityActions.default({}),
    /**
     * The least score of each severity, by source, for detectors that give scores (docs/detection.md); a finding below
     * all of them is none. A source left out has the detector's own.
     */
    thresholds: partial(SEGMENT_SOURCES, partial(SEVERITIES, z.number().min(0).max(1))).default({}),
    /** Rules switched on or off by name; a rule left out is as the detector has it. */
    rules: z.record(name, z.enum(['on', 'off'])).default({}),
    allow: allowances.prefault({}),
    /** Puts what it took out of a request back into the text of its answer, where the model names the placeholder. */
    restoreRedacted: z.boolean().default(false),
    /** Tools whose calls get it back as well, so that it may leave by them; `*` for every tool. */
    restoreInTools: z.array(name).max(1_000).default([]),
  })
  .refine(({ restoreRedacted, restoreInTools }) => restoreRedacted || restoreInTools.length === 0, {
    message: 'values are only put back where `restoreRedacted` is true',
    path: ['restoreInTools'],
  })

/** What the detectors look for and what is done about it. */
export const securityPolicyDocument = z.strictObject({
  apiVersion: z.literal(POLICY_API_VERSION),
  kind: z.literal('SecurityPolicy'),
  metadata,
  spec: z.strictObject({
    /**
     * Which requests it holds for; all that is named must fit. Of those that fit the one that names most holds, then the
     * first by name.
     */
    selector: z
      .strictObject({
        agent: name.optional(),
        workflow: name.optional(),
        tags: z.record(name, name).optional(),
        provider: z.enum(PROVIDER_NAMES).optional(),
      })
      .optional(),
    detectors: partial(DETECTOR_IDS, detectorSettings),
    /** Texts planted where nobody should repeat them: seen in an answer or a call, the system prompt has leaked. */
    canaries: z.array(z.string().min(8).max(200)).max(100).default([]),
    /** The detectors' queue is full: let the request pass unseen and count it, or refuse it. */
    onOverload: z.enum(['open', 'closed']).default('closed'),
    /** A detector took longer than `timeoutMs`, or its worker died. */
    onTimeout: z.enum(['open', 'closed']).default('closed'),
    timeoutMs: z.int().min(10).max(60_000).default(2_000),
    /** Agents that run away; nobody looks for them where it is left out. */
    runaway: runawaySettings.optional(),
  }),
})

/** A rule of one's own; its findings are the detector `custom`'s, under the rule's name. */
export const customRuleDocument = z.strictObject({
  apiVersion: z.literal(POLICY_API_VERSION),
  kind: z.literal('CustomRule'),
  metadata,
  spec: z
    .strictObject({
      severity: z.enum(SEVERITIES),
      category: z.string().min(1).max(64).default('custom'),
      /** Whose text it looks at; everybody's if left out. */
      sources: z
        .array(z.enum(SEGMENT_SOURCES))
        .min(1)
        .default([...SEGMENT_SOURCES]),
      /** Tools whose definitions, calls and results it looks at; any, and text that is no tool's, if left out. */
      tools: z.array(name).min(1).max(1_000).optional(),
      /** Texts of which one must stand there. */
      literals: z.array(z.string().min(2).max(1_000)).min(1).max(1_000).optional(),
      /** A pattern in RE2's syntax, matched in linear time. */
      pattern: z.string().min(1).max(2_000).optional(),
      ignoreCase: z.boolean().default(false),
      /** CEL over `segment` (`source`, `tool`, `text`) and, for a tool's call, `args`; must hold as well. */
      condition: z.string().min(1).max(2_000).optional(),
    })
    .refine(({ literals, pattern, condition }) => literals ?? pattern ?? condition, {
      message: 'say what it looks for: `literals`, a `pattern` or a `condition`',
      when: ({ issues }) => issues.length === 0,
    }),
})

/** A validated document of `kind: SecurityPolicy`. */
export type SecurityPolicyDocument = z.infer<typeof securityPolicyDocument>
/** A validated document of `kind: CustomRule`. */
export type CustomRuleDocument = z.infer<typeof customRuleDocument>
