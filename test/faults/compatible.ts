import { type Edit, edit, type Fault } from './fault.ts'

const DIALECTS = 'sidecar/providers/openai/dialects.ts'
const USAGE = 'sidecar/providers/openai/usage.ts'
const METER = 'sidecar/metering/meter.ts'

const golden = (
  name: string,
  only: readonly string[],
  edits: readonly Edit[],
  test = 'test/integration/golden-compatible.test.ts',
): Fault => ({ name, edits, test, only })

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
  golden(
    'a model that the policy prices is priced as the answer calls it',
    ['what the policy states'],
    edit(METER, "if (asked.foundBy === 'policy' && facts?.pricedAs === undefined) return asked", ''),
    'test/integration/stated-models.test.ts',
  ),
  golden(
    'an unmapped deployment is taken for the model whose name it has',
    ['a deployment that nobody maps'],
    edit(
      'policy/find-price.ts',
      'const listed = namesDeployments ? null :',
      'const listed = namesDeployments === undefined && model === "" ? null :',
    ),
    'test/integration/azure-sdk.test.ts',
  ),
  golden(
    'what a deployment hides is judged by its name',
    ['that its client aborts'],
    edit(
      METER,
      "priced.foundBy === 'policy' ? priced.price.model : asked",
      "priced.foundBy === 'policy' ? 'gpt-4.1' : asked",
    ),
    'test/integration/azure-sdk.test.ts',
  ),
  golden(
    'an older version of Azure is asked for usage, which it refuses',
    ['is told the same', 'a version from before'],
    edit(
      'sidecar/providers/azure/endpoints.ts',
      'DATED.test(version) && version < CURRENT_SINCE',
      "version === 'older'",
    ),
    'test/integration/azure-sdk.test.ts',
  ),
  golden(
    'documents of one’s own are bounded by the bytes of the request',
    ['data of one’s own'],
    edit(
      'sidecar/providers/azure/endpoints.ts',
      "bound.kind === 'unbounded' || !hasOwnData(request.json)",
      "bound.kind !== ''",
    ),
    'test/integration/azure-sdk.test.ts',
  ),
  golden(
    'Ollama’s figures that are absent are taken for zero',
    ['absent are not zero'],
    edit(
      'sidecar/providers/ollama/usage.ts',
      "typeof count === 'number' ? readCount(count) : null",
      'readCount(count)',
    ),
    'test/integration/ollama-sdk.test.ts',
  ),
  golden(
    'Ollama’s num_predict below zero is taken for a limit',
    ['num_predict is a limit'],
    edit(
      'sidecar/providers/ollama/bound.ts',
      'readPositiveInteger(options.num_predict)',
      'Number(options.num_predict)',
    ),
    'sidecar/test/ollama-usage.test.ts',
  ),
  golden(
    'Ollama’s calls of tools are counted as text alone',
    ['of Ollama, in lines: it passes'],
    edit(
      'sidecar/providers/ollama/stream.ts',
      'if (called.length > 0) outputBytes +=',
      'if (called.length > 9) outputBytes +=',
    ),
    'sidecar/test/stream-formats.test.ts',
  ),
  golden(
    'Ollama’s client hears of a cut behind the last line, where it does not listen any more',
    ['in a tool’s arguments is cut'],
    edit('sidecar/providers/ollama/stream.ts', 'endsText: ended && pieces.length === 0', 'endsText: false'),
    'test/integration/ollama-sdk.test.ts',
  ),
  golden(
    'content in parts is neither inspected nor counted',
    ['of Mistral, in parts: it passes'],
    edit('sidecar/providers/openai/stream.ts', "['content', 'reasoning_details']", "['reasoning_details']"),
    'sidecar/test/stream-formats.test.ts',
  ),
]
