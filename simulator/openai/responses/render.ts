import type { Json } from '../../json.ts'
import type { StreamChunk } from '../../stream.ts'
import { countTokens } from '../../tokens.ts'
import type { ResponseAnswer } from './answer.ts'
import type { Item } from './items.ts'

/** What is told of a response. */
export interface Told {
  readonly status: string
  readonly output: readonly Json[]
  readonly usage: unknown
}

/** A response object. */
export function renderResponse(answer: ResponseAnswer, { status, output, usage }: Told): Json {
  const { request, hosted, whole } = answer
  const usedTools = hosted.webSearches + hosted.pictureTokens > 0 && usage !== null
  return {
    id: answer.id,
    object: 'response',
    created_at: answer.createdAt,
    status,
    background: request.background ?? false,
    completed_at: status === 'completed' ? answer.createdAt : null,
    error: null,
    incomplete_details: status === 'incomplete' && !whole ? { reason: 'max_output_tokens' } : null,
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    max_tool_calls: request.max_tool_calls ?? null,
    model: answer.model,
    output,
    parallel_tool_calls: request.parallel_tool_calls ?? true,
    previous_response_id: request.previous_response_id ?? null,
    reasoning: { effort: null, summary: null, ...Object(request.reasoning) },
    service_tier: answer.serviceTier,
    store: request.store ?? true,
    temperature: request.temperature ?? 1,
    text: { format: { type: 'text' }, verbosity: 'medium', ...Object(request.text) },
    tool_choice: request.tool_choice ?? 'auto',
    tools: request.tools ?? [],
    top_logprobs: 0,
    top_p: request.top_p ?? 1,
    truncation: request.truncation ?? 'disabled',
    ...(usedTools
      ? {
          tool_usage: {
            image_gen: {
              input_tokens: 0,
              input_tokens_details: { image_tokens: 0, text_tokens: 0 },
              output_tokens: hosted.pictureTokens,
              total_tokens: hosted.pictureTokens,
            },
            web_search: { num_requests: hosted.webSearches },
          },
        }
      : {}),
    usage,
    user: null,
    metadata: request.metadata ?? {},
  }
}

/** How a complete response ended. */
export const endOf = ({ whole }: ResponseAnswer): 'completed' | 'incomplete' => (whole ? 'completed' : 'incomplete')

/** A complete response. @param usage what is reported in place of its own */
export const renderWhole = (answer: ResponseAnswer, usage: unknown = answer.usage): Json =>
  renderResponse(answer, { status: endOf(answer), output: answer.items.map(renderItem), usage })

const citation = (text: string): Json => ({
  type: 'url_citation',
  start_index: 0,
  end_index: text.length,
  title: 'A simulated page',
  url: 'https://simulated.example/page?utm_source=openai',
})

const partOf = (refusal: boolean, text: string, cites: boolean): Json =>
  refusal
    ? { type: 'refusal', refusal: text }
    : { type: 'output_text', text, annotations: cites ? [citation(text)] : [], logprobs: [] }

/** An output item, whole. */
export function renderItem(item: Item): Json {
  switch (item.kind) {
    case 'reasoning': {
      const summary = item.summary.length === 0 ? [] : [{ type: 'summary_text', text: item.summary.join('') }]
      const encrypted = item.encrypted === null ? {} : { encrypted_content: item.encrypted }
      return { id: item.id, type: 'reasoning', summary, ...encrypted }
    }
    case 'message': {
      const content = [partOf(item.refusal, item.pieces.join(''), item.cites)]
      return { id: item.id, type: 'message', status: 'completed', role: 'assistant', content }
    }
    case 'function':
      return {
        id: item.id,
        type: 'function_call',
        status: 'completed',
        call_id: item.callId,
        name: item.name,
        arguments: item.text,
      }
    case 'custom':
      return {
        id: item.id,
        type: 'custom_tool_call',
        status: 'completed',
        call_id: item.callId,
        name: item.name,
        input: item.text,
      }
    case 'hosted':
      return item.json
  }
}

interface Step {
  readonly type: string
  readonly json: Json
  readonly tokens: number
}

/** The events of a streamed response, numbered. @param usage what the last one reports */
export function renderEvents(answer: ResponseAnswer, usage: unknown): readonly StreamChunk[] {
  const begun = (status: string) => ({ response: renderResponse(answer, { status, output: [], usage: null }) })
  const isQueued = answer.request.background === true
  const steps: Step[] = [
    { type: 'response.created', json: begun(isQueued ? 'queued' : 'in_progress'), tokens: 0 },
    ...(isQueued ? [{ type: 'response.queued', json: begun('queued'), tokens: 0 }] : []),
    { type: 'response.in_progress', json: begun('in_progress'), tokens: 0 },
    ...answer.items.flatMap((item, index) => itemSteps(item, index)),
    { type: `response.${endOf(answer)}`, json: { response: renderWhole(answer, usage) }, tokens: 0 },
  ]
  return steps.map(({ type, json, tokens }, at) => ({
    event: type,
    json: JSON.stringify({ type, sequence_number: at, ...json }),
    tokens,
  }))
}

function itemSteps(item: Item, output_index: number): readonly Step[] {
  const whole = renderItem(item)
  const step = (type: string, json: Json, tokens = 0): Step => ({
    type: `response.${type}`,
    json: { output_index, ...json },
    tokens,
  })
  return [
    step('output_item.added', { item: begunItem(item, whole) }, tokensBefore(item)),
    ...insideSteps(item, (type, json, tokens) => step(type, { item_id: whole.id, ...json }, tokens)),
    step('output_item.done', { item: whole }),
  ]
}

/** Tokens that were made before an item is told of: all of what is not shown in pieces. */
function tokensBefore(item: Item): number {
  if (item.kind === 'reasoning' || item.kind === 'hosted') return item.tokens
  return item.kind === 'message' ? 0 : countTokens(item.name)
}

function begunItem(item: Item, whole: Json): Json {
  switch (item.kind) {
    case 'reasoning':
      return { ...whole, summary: [] }
    case 'message':
      return { ...whole, status: 'in_progress', content: [] }
    case 'function':
      return { ...whole, status: 'in_progress', arguments: '' }
    case 'custom':
      return { ...whole, status: 'in_progress', input: '' }
    case 'hosted':
      return { ...whole, status: 'in_progress' }
  }
}

type MakeStep = (type: string, json: Json, tokens?: number) => Step

function insideSteps(item: Item, step: MakeStep): readonly Step[] {
  switch (item.kind) {
    case 'reasoning':
      return summarySteps(item.summary, step)
    case 'message':
      return messageSteps(item, step)
    case 'hosted':
      return item.steps.map((type) => step(type.slice('response.'.length), {}))
    default:
      return callSteps(item, step)
  }
}

function summarySteps(pieces: readonly string[], step: MakeStep): readonly Step[] {
  if (pieces.length === 0) return []
  const text = pieces.join('')
  const at = { summary_index: 0 }
  return [
    step('reasoning_summary_part.added', { ...at, part: { type: 'summary_text', text: '' } }),
    ...pieces.map((delta) => step('reasoning_summary_text.delta', { ...at, delta })),
    step('reasoning_summary_text.done', { ...at, text }),
    step('reasoning_summary_part.done', { ...at, part: { type: 'summary_text', text } }),
  ]
}

function messageSteps(item: Extract<Item, { kind: 'message' }>, step: MakeStep): readonly Step[] {
  const text = item.pieces.join('')
  const at = { content_index: 0 }
  const kind = item.refusal ? 'refusal' : 'output_text'
  const logprobs = item.refusal ? {} : { logprobs: [] }
  return [
    step('content_part.added', { ...at, part: partOf(item.refusal, '', false) }),
    ...item.pieces.map((delta, index) =>
      step(`${kind}.delta`, { ...at, delta, ...logprobs, obfuscation: 'x'.repeat(16 - (index % 8)) }, 1),
    ),
    ...(item.cites && !item.refusal
      ? [step('output_text.annotation.added', { ...at, annotation_index: 0, annotation: citation(text) })]
      : []),
    step(`${kind}.done`, { ...at, ...(item.refusal ? { refusal: text } : { text }), ...logprobs }),
    step('content_part.done', { ...at, part: partOf(item.refusal, text, item.cites) }),
  ]
}

/** The arguments of a call, eight characters at a time. */
function callSteps(item: Extract<Item, { kind: 'function' | 'custom' }>, step: MakeStep): readonly Step[] {
  const kind = item.kind === 'custom' ? 'custom_tool_call_input' : 'function_call_arguments'
  const pieces = item.text.match(/.{1,8}/gsu) ?? []
  const all = item.kind === 'custom' ? { input: item.text } : { name: item.name, arguments: item.text }
  return [...pieces.map((delta) => step(`${kind}.delta`, { delta }, countTokens(delta))), step(`${kind}.done`, all)]
}
