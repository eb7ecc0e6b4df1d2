/**
 * The policy documents that people write in git, as zod schemas. What they mean is decided in `policy/`.
 * Schemas are strict: an unknown key is an error that names it.
 */
import * as z from 'zod'
import { budgetDocument } from './budget-policy.ts'
import { DETECTOR_IDS } from './finding.ts'
import { metadata, mode, POLICY_API_VERSION, usdPerMillion } from './policy-parts.ts'
import { PROVIDER_NAMES } from './providers.ts'
import { expectedRunaway } from './runaway-policy.ts'
import { customRuleDocument, securityPolicyDocument, severityActions } from './security-policy.ts'

const tokens = z.int().min(1).max(100_000_000)

/** What one name of a model means: a model of a price list, or a price of one's own. */
const statedModel = z
  .strictObject({
    /** Its name on the price list; left out, the name that requests use. */
    model: z.string().min(1).max(256).optional(),
    /** The provider on the rate card whose list it stands on; left out, this provider's own. */
    priceList: z.string().min(1).max(64).optional(),
    /** USD per million tokens, in place of the list's. A cache price that is left out is the input's. */
    price: z
      .strictObject({
        input: usdPerMillion,
        output: usdPerMillion,
        cacheRead: usdPerMillion.optional(),
        cacheWrite: usdPerMillion.optional(),
      })
      .optional(),
    /** Largest sum of input and output, and largest output, beside a price; left out, the list's. */
    contextTokensMax: tokens.optional(),
    outputTokensMax: tokens.optional(),
  })
  .refine((stated) => stated.price ?? stated.model ?? stated.priceList, {
    message: 'say what it costs: a `price`, or the `model` of the price list that it is',
    when: ({ issues }) => issues.length === 0,
  })
  .refine((stated) => stated.price ?? (stated.contextTokensMax === undefined && stated.outputTokensMax === undefined), {
    message: 'limits stand beside a `price`; a model of the price list has the limits that the list states',
  })

/** How a provider is reached, and what is done about requests whose cost cannot be known beforehand. */
export const providerConfigDocument = z.strictObject({
  apiVersion: z.literal(POLICY_API_VERSION),
  kind: z.literal('ProviderConfig'),
  metadata,
  spec: z.strictObject({
    /** Names the address, the wire format and the price list. */
    provider: z.enum(PROVIDER_NAMES),
    /** Origin and base path, e.g. `https://api.openai.com/v1`. */
    baseUrl: z
      .url({ protocol: /^https?$/, error: 'expected an http or https URL, like "https://api.openai.com/v1"' })
      .refine((text) => !/[?#]/.test(text), 'a base URL has no query and no fragment')
      .refine(
        (text) => !/^[a-z]+:\/\/[^/]*@/i.test(text),
        'a base URL holds no user and no password: policies are no place for secrets',
      )
      .optional(),
    /** Prices of one's own, and names that the price list does not know: by the name that requests use. */
    models: z
      .record(z.string().min(1).max(256), statedModel)
      .refine((models) => Object.keys(models).length <= 1_000, 'at most 1000 models can be stated')
      .default({}),
    /** A model that the rate card does not know: refuse, or reserve and charge at the card's dearest rates. */
    onUnpricedModel: z.enum(['deny', 'worstCase']).default('deny'),
    /** An endpoint without a price (files, models, moderations): pass it through and count it, or refuse it. */
    onUnpricedEndpoint: z.enum(['passThrough', 'deny']).default('passThrough'),
    /** A request whose cost its body does not bound: refuse, reserve the model's whole context window, or let it through uncovered and count it. */
    onUnbounded: z.enum(['deny', 'contextWindow', 'allowCounted']).default('contextWindow'),
    /**
     * When the client leaves in mid-stream: end the call, or read it to its end for the exact bill. Left out: end it
     * where that ends the billing, else read on.
     */
    onClientAbort: z.enum(['abort', 'drain']).optional(),
    /** An output limit is never lowered below this to fit a budget. */
    minOutputTokens: z.int().min(1).max(1_000_000).default(16),
    connectTimeoutMs: z.int().min(100).max(60_000).default(5_000),
    /** From sending the request to the first byte of the answer. */
    headersTimeoutMs: z.int().min(1_000).max(3_600_000).default(600_000),
    /** Between two chunks of an answer. */
    idleTimeoutMs: z.int().min(1_000).max(3_600_000).default(300_000),
  }),
})

/** Most cases of one PolicyTest. */
const CASES_MAX = 200

const who = z.string().min(1).max(253).nullable().default(null)

/** A request as far as policy looks at it. */
const testedRequest = z
  .strictObject({
    /** `null`, as one that is left out, for a request without a name. */
    agent: who,
    workflow: who,
    session: who,
    task: who,
    tags: z
      .record(z.string().min(1).max(253), z.string().max(253))
      .refine((tags) => Object.keys(tags).length <= 32, 'a request has at most 32 tags')
      .default({}),
    provider: z.enum(PROVIDER_NAMES).optional(),
    model: z.string().min(1).max(256).optional(),
    /** As a budget's selector names it. */
    apiKey: who,
  })
  .prefault({})

const saysSomething = (expected: object): boolean => Object.keys(expected).length > 0
const NOTHING_EXPECTED = 'nothing is expected here: a test that cannot fail holds nothing'

const expectedDetector = z.strictObject({
  mode: mode.optional(),
  request: severityActions.refine(saysSomething, NOTHING_EXPECTED).optional(),
  response: severityActions.refine(saysSomething, NOTHING_EXPECTED).optional(),
})

/** What the policy is to decide about a request; what is left out is not looked at. */
const expectation = z
  .strictObject({
    /** Exactly the budgets that hold, in any order; of each what is said. */
    budgets: z
      .array(
        z.strictObject({
          name: metadata.shape.name,
          subject: z.string().min(1).max(253).optional(),
          mode: mode.optional(),
        }),
      )
      .max(1_000)
      .optional(),
    /** The SecurityPolicy that holds; `null` for none. */
    security: metadata.shape.name.nullable().optional(),
    /** What is done about findings; `null` for a detector that does not run. */
    detectors: z
      .partialRecord(z.enum(DETECTOR_IDS), expectedDetector.nullable())
      .refine(saysSomething, NOTHING_EXPECTED)
      .optional(),
    /** What is done about an agent that asks the same again and again. */
    runaway: expectedRunaway.optional(),
    /** What holds at the request's provider. */
    provider: z
      .strictObject({
        onUnpricedModel: providerConfigDocument.shape.spec.shape.onUnpricedModel.unwrap().optional(),
        onUnpricedEndpoint: providerConfigDocument.shape.spec.shape.onUnpricedEndpoint.unwrap().optional(),
        onUnbounded: providerConfigDocument.shape.spec.shape.onUnbounded.unwrap().optional(),
        onClientAbort: providerConfigDocument.shape.spec.shape.onClientAbort,
        /** The entry of `models` that says what the request's model is or costs: its name, `*`, or `null` for none. */
        modelEntry: z.string().min(1).max(256).nullable().optional(),
      })
      .refine(saysSomething, NOTHING_EXPECTED)
      .optional(),
  })
  .refine(saysSomething, NOTHING_EXPECTED)

/** What a revision has to decide about requests: one that decides otherwise is refused. */
export const policyTestDocument = z.strictObject({
  apiVersion: z.literal(POLICY_API_VERSION),
  kind: z.literal('PolicyTest'),
  metadata,
  spec: z.strictObject({
    cases: z
      .array(
        z
          .strictObject({ name: z.string().min(1).max(200), request: testedRequest, expect: expectation })
          .refine(({ request, expect }) => !expect.provider || request.provider, {
            message: 'say which provider the request goes to: what is expected of it depends on that',
            path: ['request'],
            when: ({ issues }) => issues.length === 0,
          })
          .refine(({ request, expect }) => expect.provider?.modelEntry === undefined || request.model, {
            message: 'say which model the request names: the entry depends on that',
            path: ['request'],
            when: ({ issues }) => issues.length === 0,
          }),
      )
      .min(1)
      .max(CASES_MAX),
  }),
})

/** Any policy document. */
export const policyDocument = z.discriminatedUnion('kind', [
  budgetDocument,
  providerConfigDocument,
  securityPolicyDocument,
  customRuleDocument,
  policyTestDocument,
])

/** A validated document of `kind: ProviderConfig`. */
export type ProviderConfigDocument = z.infer<typeof providerConfigDocument>
/** A validated document of `kind: PolicyTest`. */
export type PolicyTestDocument = z.infer<typeof policyTestDocument>
/** Any validated document. */
export type PolicyDocument = z.infer<typeof policyDocument>
