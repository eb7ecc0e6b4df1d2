import { NO_USAGE } from '@agentcostcontrol/contract'
import t from 'tap'
import { isDenial } from '../exchange.ts'
import { anthropicMessages } from '../providers/anthropic/messages.ts'
import { generateContent } from '../providers/gemini/content.ts'
import { openaiChat } from '../providers/openai/chat.ts'
import type { ProviderAdapter } from '../providers/provider.ts'

const PROMPT = 'the prompt'
const message = { role: 'user', content: [{ type: 'text', text: PROMPT }], parts: [{ text: PROMPT }] }

/** Settings that change how an answer is read, or what an aborted one may have cost. */
const SETTINGS: Readonly<Record<string, readonly [ProviderAdapter, readonly object[]]>> = {
  openai: [
    openaiChat,
    [{}, { web_search_options: {} }, { modalities: ['audio'] }, { prediction: { type: 'content', content: 'x' } }],
  ],
  anthropic: [
    anthropicMessages,
    [
      {},
      { thinking: { type: 'disabled' } },
      { thinking: { type: 'disabled' }, tools: [{ type: 'web_search_20250305', max_uses: 1 }] },
      {
        thinking: { type: 'disabled' },
        messages: [{ role: 'user', content: [{ type: 'tool_definition', definition: { type: 'code_execution_1' } }] }],
      },
    ],
  ],
  gemini: [
    generateContent,
    [{}, { generationConfig: { candidateCount: 2 } }, { tools: [{ googleSearch: {} }] }, { service_tier: 'flex' }],
  ],
}
const ANSWERS = [
  { candidates: [{ finishReason: 'STOP' }], usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 1 } },
  { type: 'message_start', message: { usage: { input_tokens: 5, output_tokens: 1 } } },
  { choices: [{ delta: { content: 'a' }, finish_reason: 'stop' }] },
]

for (const [name, [adapter, settings]] of Object.entries(SETTINGS)) {
  t.test(
    `${name}: what is kept of a request reads its answer as the whole request does, and holds no prompt`,
    async (t) => {
      for (const setting of settings) {
        const conversation = adapter === generateContent ? { contents: [message] } : { messages: [message] }
        const system = adapter === anthropicMessages ? { system: PROMPT } : {}
        const json = { model: 'm', ...conversation, ...system, ...setting }
        const request = adapter.parse(json, { model: 'gemini-2.0-flash', stream: true })
        if (isDenial(request)) throw new Error(request.message)
        const kept = adapter.remember(request)
        t.notOk(JSON.stringify(kept.json).includes(PROMPT))
        const read = (of: typeof request) => {
          const stream = adapter.openStream(of)
          for (const answer of ANSWERS) stream.read(JSON.stringify(answer))
          return [
            of.model,
            of.stream,
            ['gpt-4.1', 'claude-3-haiku', 'gemini-2.0-flash'].map((model) => adapter.outputIsVisible(model, of)),
            adapter.addUnreported(NO_USAGE, of),
            ANSWERS.map((answer) => adapter.readAnswer(answer, of)),
            stream.facts(),
            stream.ended(),
          ]
        }
        t.same(read(kept), read(request), JSON.stringify(setting))
      }
    },
  )
}
