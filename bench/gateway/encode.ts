/** One conversation in each wire format, as the formats' own clients write it. */
import { FORMAT_FACTS, type Format } from './formats.ts'

/** A turn of an agent: it calls a tool, is told the result, answers, and is asked again. */
export interface Turn {
  readonly id: string
  readonly tool: string
  readonly input: object
  readonly result: string
  readonly answer: string
  readonly question: string
}

/** A tool of the agent. */
export interface Tool {
  readonly name: string
  readonly description: string
  readonly schema: object
}

/** What is sent, in no format. */
export interface Conversation {
  readonly system: string
  readonly turns: readonly Turn[]
  readonly question: string
  readonly tools: readonly Tool[]
  readonly stream: boolean
}

const TOKENS_MAX = 1024
const TEMPERATURE = 0.2

type Encode = (conversation: Conversation, model: string) => object

const openai: Encode = ({ system, turns, question, tools, stream }, model) => ({
  model,
  ...(stream ? { stream: true } : {}),
  max_tokens: TOKENS_MAX,
  temperature: TEMPERATURE,
  messages: [
    { role: 'system', content: system },
    ...turns.flatMap(({ id, tool, input, result, answer, question: next }) => {
      const call = { id, type: 'function', function: { name: tool, arguments: JSON.stringify(input) } }
      return [
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: id, content: result },
        { role: 'assistant', content: answer },
        { role: 'user', content: next },
      ]
    }),
    { role: 'user', content: question },
  ],
  ...(tools.length > 0
    ? {
        tools: tools.map(({ name, description, schema }) => ({
          type: 'function',
          function: { name, description, parameters: schema },
        })),
      }
    : {}),
})

const textBlock = (text: string): object => ({ type: 'text', text })

const anthropic: Encode = ({ system, turns, question, tools, stream }, model) => ({
  model,
  ...(stream ? { stream: true } : {}),
  max_tokens: TOKENS_MAX,
  temperature: TEMPERATURE,
  system: [{ ...textBlock(system), cache_control: { type: 'ephemeral' } }],
  messages: [
    ...turns.flatMap(({ id, tool, input, result, answer, question: next }) => [
      { role: 'assistant', content: [{ type: 'tool_use', id, name: tool, input }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: [textBlock(result)] }] },
      { role: 'assistant', content: [textBlock(answer)] },
      { role: 'user', content: [textBlock(next)] },
    ]),
    { role: 'user', content: [textBlock(question)] },
  ],
  ...(tools.length > 0
    ? { tools: tools.map(({ name, description, schema }) => ({ name, description, input_schema: schema })) }
    : {}),
})

const content = (role: string, part: object): object => ({ role, parts: [part] })

const gemini: Encode = ({ system, turns, question, tools }) => ({
  systemInstruction: { parts: [{ text: system }] },
  contents: [
    ...turns.flatMap(({ tool, input, result, answer, question: next }) => [
      content('model', { functionCall: { name: tool, args: input } }),
      content('user', { functionResponse: { name: tool, response: { output: result } } }),
      content('model', { text: answer }),
      content('user', { text: next }),
    ]),
    content('user', { text: question }),
  ],
  ...(tools.length > 0
    ? {
        tools: [
          {
            functionDeclarations: tools.map(({ name, description, schema }) => ({
              name,
              description,
              parametersJsonSchema: schema,
            })),
          },
        ],
      }
    : {}),
  generationConfig: { temperature: TEMPERATURE, maxOutputTokens: TOKENS_MAX },
})

const ENCODE: Readonly<Record<Format, Encode>> = { openai, anthropic, gemini }

/** The body of a request for a conversation. */
export const encodeBody = (format: Format, conversation: Conversation): Buffer =>
  Buffer.from(JSON.stringify(ENCODE[format](conversation, FORMAT_FACTS[format].model)))
