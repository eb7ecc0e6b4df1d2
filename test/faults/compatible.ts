import { type Edit, edit, type Fault } from './fault.ts'

const DIALECTS = 'sidecar/providers/openai/dialects.ts'
const USAGE = 'sidecar/providers/openai/usage.ts'
const METER = 'sidecar/metering/meter.ts'

const golden = (name: string, only: readonly string[], edits: readonly Edit[]): Fault => ({
  name,
  edits,
  test: 'test/integration/golden-compatible.test.ts',
  only,
})

/** Faults of the providers that speak OpenAI's format in their own way. */
export const COMPATIBLE: readonly Fault[] = [
  golden(
    'DeepSeek’s hits and misses are both added',
    ['each provider', 'hits and misses'],
    edit(
      USAGE,
      'const prompt = readCount(raw.prompt_tokens)',
      'const prompt = readCount(Number(raw.prompt_tokens) + Number(raw.prompt_cache_hit_tokens ?? 0) + Number(raw.prompt_cache_miss_tokens ?? 0))',
    ),
  ),
  golden(
    'DeepSeek’s hits are not read',
    ['each provider', 'hits and misses'],
    edit(DIALECTS, "[['prompt_cache_hit_tokens']]", '[]'),
  ),
  golden(
    'hits are added to the cached tokens that they are',
    ['hits beside cached'],
    edit(
      USAGE,
      'readCount(promptDetails.cached_tokens ?? firstAt(raw, cachedAt))',
      'readCount(Number(promptDetails.cached_tokens ?? 0) + Number(firstAt(raw, cachedAt) ?? 0))',
    ),
  ),
  golden(
    'DeepSeek’s peak hours are priced as the rest of the day',
    ['peak hours'],
    edit('policy/priced-model.ts', 'const hour = hours.length === 0 ? 0', 'const hour = hours.length < 9 ? 0'),
  ),
  golden(
    'Mistral’s cached tokens are read where OpenAI has them alone',
    ['each provider', 'its own member'],
    edit(DIALECTS, "[['num_cached_tokens']]", '[]'),
  ),
  golden(
    'Mistral is asked for usage, and refuses',
    ['each provider', 'mistral: .*streamed'],
    edit(
      DIALECTS,
      "streamUsage: 'always', cachedAt: [['num_cached_tokens']]",
      "streamUsage: 'asked', cachedAt: [['num_cached_tokens']]",
    ),
  ),
  golden(
    'xAI’s thoughts are taken for a part of the completion',
    ['each provider', 'beside the completion'],
    edit(USAGE, '? completion + reasoning : completion', '? completion : completion'),
  ),
  golden(
    'xAI’s ticks are millionths of a dollar',
    ['each provider', 'beside the completion'],
    edit(DIALECTS, 'ticks / 1e10', 'ticks / 1e6'),
  ),
  golden(
    'Groq’s own place of a stream’s usage is passed over',
    ['each provider', 'groq: .*streamed'],
    edit(DIALECTS, "[['x_groq', 'usage']]", '[]'),
  ),
  golden(
    'Moonshot’s usage inside a choice is passed over',
    ['each provider', 'moonshotai: .*streamed'],
    edit(DIALECTS, "[['choices', -1, 'usage']]", '[]'),
  ),
  golden(
    'Moonshot’s cached tokens are priced as input',
    ['each provider', 'moonshotai'],
    edit(
      DIALECTS,
      "usageAt: [['choices', -1, 'usage']],\n    cachedAt: [['cached_tokens']]",
      "usageAt: [['choices', -1, 'usage']],\n    cachedAt: []",
    ),
  ),
  golden(
    'Together’s cached tokens are priced as input',
    ['each provider', 'together'],
    edit(DIALECTS, "streamUsage: 'always', cachedAt: [['cached_tokens']] }", "streamUsage: 'always' }"),
  ),
  golden(
    'OpenRouter’s own cost is lost',
    ['each provider', 'stands beside ours'],
    edit(DIALECTS, "typeof usage.cost === 'number' ? fromUsd", "typeof usage.cost === 'string' ? fromUsd"),
  ),
  golden(
    'what a provider bills beyond the list is not charged',
    ['where it is more'],
    edit(METER, 'maxUsd(cost.total, stated ?? ZERO_USD)', 'cost.total'),
  ),
  golden(
    'OpenRouter’s fee is taken for the whole cost of a key of one’s own',
    ['where it is more'],
    edit(DIALECTS, 'fromUsd(usage.cost + own)', 'fromUsd(usage.cost + 0 * own)'),
  ),
  golden(
    'a limit is told in a field that the provider passes over',
    ['in a field that the provider obeys'],
    edit(DIALECTS, "deepseek: { limitField: 'max_tokens'", "deepseek: { limitField: 'max_completion_tokens'"),
  ),
]
