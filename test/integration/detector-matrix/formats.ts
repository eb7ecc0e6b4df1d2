import type { SegmentSource } from '@agentcostcontrol/contract'
import type { GoogleGenAI } from '@google/genai'
import { anthropicAt } from '../../support/anthropic.ts'
import { geminiAt } from '../../support/gemini.ts'
import { ollamaAt } from '../../support/ollama.ts'
import { openaiAt } from '../../support/sdk.ts'

/** What an agent says in one request: a text of each source. */
export type Talk = Readonly<Record<SegmentSource, string>>

/** One request of an official client. */
export interface Ask {
  readonly url: string
  /** Names the request, at the provider too. */
  readonly tag: string
  readonly talk: Talk
  readonly streamed: boolean
  readonly headers: Readonly<Record<string, string>>
}

/** A wire format, and its official client. */
export interface Format {
  /** As coverage counts it. */
  operation(streamed: boolean): string
  /** @returns all that the client was told, as JSON @throws what the client throws */
  ask(ask: Ask): Promise<string>
}

const TOOL = 'send'
const parameters = { type: 'object' as const, properties: { note: { type: 'string' as const } } }
/** What the tool is called with: a text that is JSON of members, or a note with the text in it. */
export function args(text: string): Readonly<Record<string, unknown>> {
  return text.startsWith('{') ? JSON.parse(text) : { note: text }
}

async function all(stream: AsyncIterable<unknown>): Promise<string> {
  const events: unknown[] = []
  for await (const event of stream) events.push(event)
  return JSON.stringify(events)
}

/** OpenAI’s chat completions. */
export const chat: Format = {
  operation: () => 'chat.completions',
  ask: async ({ url, tag, talk, streamed, headers }) => {
    const client = openaiAt(`${url}/openai/v1`, tag, { headers })
    const call = { name: TOOL, arguments: JSON.stringify(args(talk.tool_call)) }
    const body = {
      model: 'gpt-4.1-mini',
      messages: [
        { role: 'system' as const, content: talk.system },
        { role: 'user' as const, content: [{ type: 'text' as const, text: talk.user }] },
        { role: 'assistant' as const, content: talk.assistant },
        { role: 'assistant' as const, tool_calls: [{ id: 'c1', type: 'function' as const, function: call }] },
        { role: 'tool' as const, tool_call_id: 'c1', content: talk.tool_result },
      ],
      tools: [{ type: 'function' as const, function: { name: TOOL, description: talk.tool_definition, parameters } }],
    }
    return streamed
      ? all(await client.chat.completions.create({ ...body, stream: true }))
      : JSON.stringify(await client.chat.completions.create(body))
  },
}

/** OpenAI’s responses. */
export const responses: Format = {
  operation: () => 'responses',
  ask: async ({ url, tag, talk, streamed, headers }) => {
    const client = openaiAt(`${url}/openai/v1`, tag, { headers })
    const body = {
      model: 'gpt-4.1-mini',
      store: false,
      instructions: talk.system,
      input: [
        { role: 'user' as const, content: talk.user },
        { role: 'assistant' as const, content: talk.assistant },
        { type: 'function_call' as const, call_id: 'c1', name: TOOL, arguments: JSON.stringify(args(talk.tool_call)) },
        { type: 'function_call_output' as const, call_id: 'c1', output: talk.tool_result },
      ],
      tools: [{ type: 'function' as const, name: TOOL, description: talk.tool_definition, parameters, strict: false }],
    }
    return streamed
      ? all(await client.responses.create({ ...body, stream: true }))
      : JSON.stringify(await client.responses.create(body))
  },
}

/** Anthropic’s messages. */
export const messages: Format = {
  operation: () => 'messages',
  ask: async ({ url, tag, talk, streamed, headers }) => {
    const client = anthropicAt(`${url}/anthropic`, tag, { headers })
    const body = {
      model: 'claude-sonnet-5',
      max_tokens: 200,
      system: talk.system,
      messages: [
        { role: 'user' as const, content: [{ type: 'text' as const, text: talk.user }] },
        {
          role: 'assistant' as const,
          content: [
            { type: 'text' as const, text: talk.assistant },
            { type: 'tool_use' as const, id: 'c1', name: TOOL, input: args(talk.tool_call) },
          ],
        },
        {
          role: 'user' as const,
          content: [{ type: 'tool_result' as const, tool_use_id: 'c1', content: talk.tool_result }],
        },
      ],
      tools: [{ name: TOOL, description: talk.tool_definition, input_schema: parameters }],
    }
    return streamed
      ? all(await client.messages.create({ ...body, stream: true }))
      : JSON.stringify(await client.messages.create(body))
  },
}

/** Gemini’s content. */
export const generateContent: Format = {
  operation: (streamed) => (streamed ? 'streamGenerateContent' : 'generateContent'),
  ask: async ({ url, tag, talk, streamed, headers }) => {
    const client: GoogleGenAI = geminiAt(`${url}/google`, tag, { headers: { ...headers } })
    const body = {
      model: 'gemini-2.5-flash',
      contents: [
        { role: 'user', parts: [{ text: talk.user }] },
        {
          role: 'model',
          parts: [{ text: talk.assistant }, { functionCall: { name: TOOL, args: args(talk.tool_call) } }],
        },
        { role: 'user', parts: [{ functionResponse: { name: TOOL, response: { output: talk.tool_result } } }] },
      ],
      config: {
        systemInstruction: talk.system,
        tools: [
          {
            functionDeclarations: [{ name: TOOL, description: talk.tool_definition, parametersJsonSchema: parameters }],
          },
        ],
      },
    }
    return streamed
      ? all(await client.models.generateContentStream(body))
      : JSON.stringify(await client.models.generateContent(body))
  },
}

/** Ollama’s chat. */
export const ollamaChat: Format = {
  operation: () => 'ollama.chat',
  ask: async ({ url, tag, talk, streamed, headers }) => {
    const client = ollamaAt(url, tag, { ...headers })
    const body = {
      model: 'qwen3:8b',
      messages: [
        { role: 'system', content: talk.system },
        { role: 'user', content: talk.user },
        { role: 'assistant', content: talk.assistant },
        { role: 'assistant', content: '', tool_calls: [{ function: { name: TOOL, arguments: args(talk.tool_call) } }] },
        { role: 'tool', tool_name: TOOL, content: talk.tool_result },
      ],
      tools: [{ type: 'function', function: { name: TOOL, description: talk.tool_definition, parameters } }],
    }
    return streamed
      ? all(await client.chat({ ...body, stream: true }))
      : JSON.stringify(await client.chat({ ...body, stream: false }))
  },
}
