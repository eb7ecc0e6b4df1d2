/** What the simulator answers to a request for a response: decided before the first byte, so that plain and streamed agree. */
import type { Controls } from '../../controls.ts'
import { isRecord, type Json, positive } from '../../json.ts'
import { randomFrom, seedOf } from '../../text.ts'
import { callItems, hostedItems, hostedUse, type Item, idOf, messageItem, reasoningItem, tokensOf } from './items.ts'
import { countPrompt, type Prompt } from './prompt.ts'
import type { Store } from './store.ts'
import { type HostedUse, merge, type ResponseUsage, usageOf } from './usage.ts'

/** The whole answer. */
export interface ResponseAnswer {
  readonly id: string
  readonly model: string
  readonly createdAt: number
  readonly serviceTier: string
  readonly request: Json
  readonly items: readonly Item[]
  /** What the items cost besides tokens. */
  readonly hosted: HostedUse
  /** False if the output limit broke it off. */
  readonly whole: boolean
  /** As reported and billed when the answer is complete. */
  readonly usage: ResponseUsage
  readonly prompt: Prompt
}

const REASONS = /^(?:o\d|gpt-[56])/
/** Tokens that what a hosted tool found adds to the next look at the prompt. */
const RESULT_TOKENS = 100

/** Decides the answer. @param now seconds since the epoch */
export function answerResponse(
  json: Json,
  before: readonly unknown[],
  controls: Controls,
  seed: number,
  now: number,
  store: Store,
): ResponseAnswer {
  const random = randomFrom(seedOf(JSON.stringify([json.input, before]), seed))
  const model = String(json.model)
  const id = `${idOf('resp', random)}${store.responses.size.toString(16).padStart(4, '0')}`
  const limit = (positive(json.max_output_tokens) ?? Number.POSITIVE_INFINITY) * (controls.fault === 'overrun' ? 2 : 1)
  const { items, whole } = makeItems(json, model, controls, limit, random)
  const prompt = countPrompt(json, before, store)
  const output = items.reduce((sum, item) => sum + tokensOf(item), 0)
  const reasoning = items.reduce((sum, item) => sum + (item.kind === 'reasoning' ? item.tokens : 0), 0)
  const looks = items.filter(({ kind }) => kind === 'hosted').length
  const found = (RESULT_TOKENS * looks * (looks + 1)) / 2
  const plain = usageOf(
    prompt.tokens * (looks + 1) + found,
    prompt.cached * (looks + 1),
    prompt.written,
    output,
    reasoning,
  )
  const usage: ResponseUsage = {
    ...plain,
    input_tokens_details: {
      ...plain.input_tokens_details,
      ...(prompt.long > 0
        ? { cache_write_tokens_details: { ttl_30m_tokens: prompt.written - prompt.long, ttl_12h_tokens: prompt.long } }
        : {}),
    },
  }
  for (const item of items) if (item.kind === 'reasoning') store.reasoning.set(item.id, item.tokens)
  return {
    id,
    model: controls.answerModel ?? model,
    createdAt: now,
    serviceTier: controls.serviceTier ?? tierOf(json.service_tier),
    request: json,
    items,
    hosted: hostedUse(items),
    whole,
    usage: controls.usage ? merge(usage, controls.usage) : usage,
    prompt,
  }
}

const tierOf = (asked: unknown): string =>
  asked === 'fast' ? 'priority' : asked === 'flex' || asked === 'priority' || asked === 'ultrafast' ? asked : 'default'

function makeItems(
  json: Json,
  model: string,
  controls: Controls,
  limit: number,
  random: () => number,
): Pick<ResponseAnswer, 'items' | 'whole'> {
  const thinks = REASONS.test(model) && !(isRecord(json.reasoning) && json.reasoning.effort === 'none')
  const thought = thinks ? [reasoningItem(json, controls, Math.min(32, Math.floor(limit / 2)), random)] : []
  let left = limit - thought.reduce((sum, item) => sum + tokensOf(item), 0)
  const hosted: Item[] = []
  for (const item of hostedItems(json, random)) {
    if (left < tokensOf(item)) return { items: [...thought, ...hosted], whole: false }
    left -= tokensOf(item)
    hosted.push(item)
  }
  const calls = callItems(json, controls, left, random)
  if (calls.items.length > 0 || !calls.whole)
    return { items: [...thought, ...hosted, ...calls.items], whole: calls.whole }
  const cites = hosted.some((item) => item.kind === 'hosted' && item.json.type === 'web_search_call')
  const { item, whole } = messageItem(json, controls, left, cites, random)
  return { items: [...thought, ...hosted, item], whole }
}
