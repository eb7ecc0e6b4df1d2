import { openMessageStream } from '../../providers/anthropic/stream.ts'
import type { Framing } from '../../providers/framing.ts'
import { openStream as openGeminiStream } from '../../providers/gemini/stream.ts'
import { JSON_ARRAY } from '../../providers/json-array.ts'
import { NDJSON } from '../../providers/ndjson.ts'
import { openStream as openOllamaStream } from '../../providers/ollama/stream.ts'
import { openResponseStream } from '../../providers/openai/responses/stream.ts'
import { openChatStream } from '../../providers/openai/stream.ts'
import type { StreamReader } from '../../providers/provider.ts'
import { SSE } from '../../providers/sse.ts'

/** A part of an answer: text, what the model thought, or what it calls a tool with, in pieces. */
export interface Part {
  readonly kind: 'text' | 'thought' | 'call'
  readonly pieces: readonly string[]
}

/** A wire format that renders streams. */
export interface StreamFormat {
  readonly name: string
  readonly framing: Framing
  open(): StreamReader
  render(parts: readonly Part[]): string
}

const sse = (data: object): string => `data: ${JSON.stringify(data)}\n\n`
const named = (data: { readonly type: string; readonly [member: string]: unknown }): string =>
  `event: ${data.type}\r\ndata: ${JSON.stringify(data)}\r\n\r\n`
const whole = ({ pieces }: Part): string => pieces.join('')
const TOOL = 'run_task'

const chat: StreamFormat = {
  name: 'chat completions',
  framing: SSE,
  open: openChatStream,
  render: (parts) => {
    const chunk = (delta: object, finish: string | null = null): string =>
      sse({ id: 'c', choices: [{ index: 0, delta, finish_reason: finish }] })
    const said = parts.flatMap(({ kind, pieces }, index) =>
      kind === 'call'
        ? [
            chunk({ tool_calls: [{ index, id: `c${index}`, function: { name: TOOL, arguments: '' } }] }),
            ...pieces.map((text) => chunk({ tool_calls: [{ index, function: { arguments: text } }] })),
          ]
        : pieces.map((text) => chunk({ [kind === 'text' ? 'content' : 'reasoning_content']: text })),
    )
    return [...said, chunk({}, 'stop'), 'data: [DONE]\n\n'].join('')
  },
}

const messages: StreamFormat = {
  name: 'messages',
  framing: SSE,
  open: () => openMessageStream(() => true),
  render: (parts) => {
    const blocks = parts.flatMap(({ kind, pieces }, index) => {
      const [block, type, member] = {
        text: [{ type: 'text', text: '' }, 'text_delta', 'text'],
        thought: [{ type: 'thinking', thinking: '', signature: '' }, 'thinking_delta', 'thinking'],
        call: [{ type: 'tool_use', id: `t${index}`, name: TOOL, input: {} }, 'input_json_delta', 'partial_json'],
      }[kind] as [object, string, string]
      return [
        named({ type: 'content_block_start', index, content_block: block }),
        ...pieces.map((text) => named({ type: 'content_block_delta', index, delta: { type, [member]: text } })),
        named({ type: 'content_block_stop', index }),
      ]
    })
    const start = { id: 'm', model: 'claude', usage: { input_tokens: 1 } }
    return [named({ type: 'message_start', message: start }), ...blocks, named({ type: 'message_stop' })].join('')
  },
}

const responses: StreamFormat = {
  name: 'responses',
  framing: SSE,
  open: openResponseStream,
  render: (parts) => {
    const items = parts.map((part, index) =>
      part.kind === 'call'
        ? { type: 'function_call', id: `i${index}`, call_id: `c${index}`, name: TOOL, arguments: whole(part) }
        : part.kind === 'text'
          ? { type: 'message', id: `i${index}`, content: [{ type: 'output_text', text: whole(part) }] }
          : { type: 'reasoning', id: `i${index}`, summary: [{ type: 'summary_text', text: whole(part) }] },
    )
    const said = parts.flatMap(({ kind, pieces }, index) => {
      const [prefix, at, member] = {
        text: ['response.output_text', { content_index: 0 }, 'text'],
        thought: ['response.reasoning_summary_text', { summary_index: 0 }, 'text'],
        call: ['response.function_call_arguments', {}, 'arguments'],
      }[kind] as [string, object, string]
      const place = { output_index: index, item_id: `i${index}`, ...at }
      return [
        named({ type: 'response.output_item.added', output_index: index, item: { ...items[index], arguments: '' } }),
        ...pieces.map((delta) => named({ type: `${prefix}.delta`, ...place, delta })),
        named({ type: `${prefix}.done`, ...place, [member]: pieces.join('') }),
        named({ type: 'response.output_item.done', output_index: index, item: items[index] }),
      ]
    })
    return [...said, named({ type: 'response.completed', response: { id: 'r', output: items } })].join('')
  },
}

const geminiEvents = (parts: readonly Part[], inParts: boolean): readonly object[] => {
  const event = (part: object): object => ({ candidates: [{ index: 0, content: { role: 'model', parts: [part] } }] })
  const said = parts.flatMap((part) => {
    const { kind, pieces } = part
    if (kind !== 'call') return pieces.map((text) => event(kind === 'text' ? { text } : { text, thought: true }))
    if (!inParts) return [event({ functionCall: { name: TOOL, args: { script: whole(part) } } })]
    return [
      event({ functionCall: { name: TOOL, willContinue: true } }),
      ...pieces.map((stringValue) =>
        event({
          functionCall: {
            partialArgs: [{ jsonPath: '$.script', stringValue, willContinue: true }],
            willContinue: true,
          },
        }),
      ),
      event({ functionCall: {} }),
    ]
  })
  return [...said, { candidates: [{ index: 0, finishReason: 'STOP' }] }]
}

const openContent = (): StreamReader => openGeminiStream({ model: 'gemini', stream: true, json: {} })

const ollama: StreamFormat = {
  name: 'ollama chat',
  framing: NDJSON,
  open: openOllamaStream,
  render: (parts) => {
    const line = (message: object): string => `${JSON.stringify({ model: 'm', message })}\n`
    const said = parts.flatMap((part) =>
      part.kind === 'call'
        ? [line({ tool_calls: [{ function: { name: TOOL, arguments: { script: whole(part) } } }] })]
        : part.pieces.map((text) => line({ [part.kind === 'text' ? 'content' : 'thinking']: text })),
    )
    return [...said, `${JSON.stringify({ model: 'm', done: true })}\n`].join('')
  },
}

/** Every wire format, Gemini's in both of its framings and with calls that come whole and in parts. */
export const STREAM_FORMATS: readonly StreamFormat[] = [
  chat,
  messages,
  responses,
  {
    name: 'generateContent as events',
    framing: SSE,
    open: openContent,
    render: (parts) => geminiEvents(parts, true).map(sse).join(''),
  },
  {
    name: 'generateContent as an array',
    framing: JSON_ARRAY,
    open: openContent,
    render: (parts) =>
      `[${geminiEvents(parts, false)
        .map((event) => JSON.stringify(event))
        .join(',\r\n')}]`,
  },
  ollama,
]
