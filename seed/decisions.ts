/**
 * What the sources leave open, and how this card decides it. Every decision errs upwards or leaves the model unknown
 * (which is a visible state: no cost, a counter, and the policy's choice); none makes anything cheaper.
 */

/** Prices without a stated beginning hold from here: before any record that could be priced. */
export const BEGINNING = '1970-01-01T00:00:00Z'

/** The sources by the name that `models.csv` gives in its column `source`, with what the card calls them. */
export const SOURCES = [
  { csv: 'pi-ai@1.5.2(2026-11-10)', name: 'pi-ai', version: '1.5.2', date: '2026-11-10', licence: 'MIT' },
  { csv: 'genai-prices@0.1.8(2026-09-23)', name: 'genai-prices', version: '0.1.8', date: '2026-09-23', licence: 'MIT' },
  { csv: 'litellm(2026-07-24)', name: 'litellm', version: '2026-07-24', date: '2026-07-24', licence: 'MIT' },
] as const

/**
 * Rows that are left out: a wrong price is worse than an unknown one. Rows with an input price of 0 and rows without
 * a model name are left out by rule.
 */
export const LEFT_OUT: ReadonlyMap<string, string> = new Map([
  ['cohere/embed-multilingual-light-v3.0', 'USD 100 per million, a thousand times its siblings: a slip of the source'],
  ['watsonx/bigscience/mt0-xxl-13b', 'USD 500 and 2000 per million, a thousand times its siblings: a slip'],
  ['watsonx/core42/jais-13b-chat', 'USD 500 and 2000 per million, a thousand times its siblings: a slip'],
])

/**
 * Families whose providers publish dated snapshots of a model under its name (`gpt-5.5-2026-04-23`,
 * `claude-opus-4-5-20251101`). The whole name has to fit, so that neither `gpt-4-32k` nor `gpt-5-chat-latest` nor a
 * name that carries a date already is a family.
 */
const SNAPSHOT_FAMILIES: readonly { readonly providers: readonly string[]; readonly name: RegExp }[] = [
  { providers: ['openai', 'azure'], name: /^(?:gpt-\d+(?:\.\d+)?o?|o\d+|computer-use)(?:-[a-z]+)*$/ },
  {
    providers: ['anthropic'],
    name: /^claude-(?:(?:opus|sonnet|haiku|fable)-\d+(?:-\d{1,2})?|\d+(?:-\d{1,2})?-(?:opus|sonnet|haiku))$/,
  },
]

/** True where a dated snapshot of the model, without a price of its own, has the model's price. */
export const hasSnapshots = (provider: string, model: string): boolean =>
  !model.endsWith('-latest') &&
  SNAPSHOT_FAMILIES.some((family) => family.providers.includes(provider) && family.name.test(model))

const DATED = /^(.+)-(?:\d{4}-\d\d-\d\d|\d{8})$/

/** The family that a dated snapshot belongs to by its name; `null` for any other name. */
export function familyOf(provider: string, model: string): string | null {
  const family = DATED.exec(model)?.[1]
  return family !== undefined && hasSnapshots(provider, family) ? family : null
}

/** Other names of exactly one model, from the providers' own lists of models. */
export const ALIASES: ReadonlyMap<string, readonly string[]> = new Map([
  ['anthropic/claude-3-5-haiku-latest', ['claude-3-5-haiku', 'claude-3-5-haiku-20241022']],
  ['anthropic/claude-3-5-sonnet', ['claude-3-5-sonnet-latest']],
])

/** A price that holds until a later one, announced with its date, begins. USD per million tokens. */
export interface InterimPrice {
  readonly input: string
  readonly output: string
}

/**
 * Rows whose price begins after the date of their source. LiteLLM still lists gemini-3.6-flash at twice the price that
 * begins in 2027; for its two siblings, announced with the same price from the same day, nothing else is known, so
 * they are held to be as dear until then. A row of this kind that is not named here stops the build.
 */
export const INTERIM: ReadonlyMap<string, InterimPrice> = new Map([
  ['google/gemini-3.6-flash', { input: '1.5', output: '7.5' }],
  ['google/gemini-3.7-flash', { input: '1.5', output: '7.5' }],
  ['google/gemini-3.8-flash', { input: '1.5', output: '7.5' }],
])

/** Models that a provider also sells at other rates: under a name of their own, so that what was served can be priced. */
export interface Variant {
  readonly provider: string
  readonly prefix: string
  readonly models: RegExp
  /** Of every rate of a token; fees stay. */
  readonly percent: bigint
}

/**
 * Anthropic asks 1.1 times every token price where inference is kept in the US (`inference_geo`, its pricing page), for
 * Opus 4.6 and all models after it. For its fast mode no price is known that holds for every model: it stays unknown.
 */
export const VARIANTS: readonly Variant[] = [
  {
    provider: 'anthropic',
    prefix: 'us/',
    models: /^claude-(?:(?:opus|sonnet)-4-[6-9]|(?:opus|sonnet|haiku|fable)-[5-9])(?:-|$)/,
    percent: 110n,
  },
]
