import type { Segment } from '@agentcostcontrol/contract'
import t from 'tap'
import { requestSegments as anthropic } from '../providers/anthropic/segments.ts'
import { requestSegments as gemini } from '../providers/gemini/segments.ts'
import { toolName } from '../providers/named-tool.ts'
import { requestSegments as ollama } from '../providers/ollama/segments.ts'
import { requestSegments as responses } from '../providers/openai/responses/segments.ts'
import { requestSegments as chat } from '../providers/openai/segments.ts'

const toolsOf = (segments: readonly Segment[]): readonly string[] =>
  segments
    .filter(({ source, text }) => source.startsWith('tool_') && text !== 'send')
    .map(({ source, tool, text }) => `${source} ${tool} ${text.includes('secret') ? 'secret' : 'other'}`)
    .toSorted()

const EXPECTED = ['tool_call send secret', 'tool_definition send other', 'tool_result send secret']
const args = { text: 'secret' }
const parameters = { type: 'object' }

t.test('a definition, a call and its result name their tool in every format', async (t) => {
  const call = { id: 'c1', type: 'function', function: { name: 'send', arguments: JSON.stringify(args) } }
  const definition = { type: 'function', function: { name: 'send', parameters } }
  t.same(
    toolsOf(
      chat({
        messages: [
          { role: 'user', content: 'x' },
          { role: 'assistant', tool_calls: [call] },
          { role: 'tool', tool_call_id: 'c1', content: 'secret' },
        ],
        tools: [definition],
      }),
    ),
    EXPECTED,
  )
  t.same(
    toolsOf(
      anthropic({
        messages: [
          { role: 'assistant', content: [{ type: 'tool_use', id: 'c1', name: 'send', input: args }] },
          {
            role: 'user',
            content: [{ type: 'tool_result', tool_use_id: 'c1', content: [{ type: 'text', text: 'secret' }] }],
          },
        ],
        tools: [{ name: 'send', input_schema: parameters }],
      }),
    ),
    EXPECTED,
  )
  t.same(
    toolsOf(
      responses({
        input: [
          { type: 'function_call', call_id: 'c1', name: 'send', arguments: JSON.stringify(args) },
          { type: 'function_call_output', call_id: 'c1', output: 'secret' },
        ],
        tools: [{ type: 'function', name: 'send', parameters }],
      }),
    ),
    EXPECTED,
  )
  t.same(
    toolsOf(
      gemini({
        contents: [
          { role: 'model', parts: [{ functionCall: { name: 'send', args } }] },
          { role: 'user', parts: [{ functionResponse: { name: 'send', response: { output: 'secret' } } }] },
        ],
        tools: [{ functionDeclarations: [{ name: 'send', parameters }] }],
      }),
    ),
    EXPECTED,
  )
  t.same(
    toolsOf(
      ollama({
        messages: [
          { role: 'assistant', tool_calls: [{ function: { name: 'send', arguments: args } }] },
          { role: 'tool', tool_name: 'send', content: 'secret' },
        ],
        tools: [definition],
      }),
    ),
    EXPECTED,
  )
})

t.test('a name that no database takes is told as one that it does', async (t) => {
  t.equal(toolName('a\u0000b'), 'ab')
  t.equal(toolName('a\ud800'), 'a\ufffd')
  t.equal(toolName('x'.repeat(300))?.length, 253)
  t.same([toolName(''), toolName(7), toolName(undefined)], [null, null, null])
})
