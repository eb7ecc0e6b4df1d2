import t from 'tap'
import { generateContent } from '../providers/gemini/content.ts'

/** What is read of the answer of a function, with where it stands in it. */
function read(response: unknown) {
  const json = { contents: [{ role: 'user', parts: [{ functionResponse: { name: 'f', response } }] }] }
  const segments = generateContent.segments({ model: 'm', stream: false, json })
  return segments.map(({ source, path, text }) => [source, path.slice(5).join('.'), text])
}

t.test('what a function gave is read as it was given, and as JSON where its shape is its own', async (t) => {
  t.same(read({ output: 'two\nlines' }), [['tool_result', 'response.output', 'two\nlines']])
  t.same(read({ error: 'it failed', output: { cents: 3 } }), [
    ['tool_result', 'response.error', 'it failed'],
    ['tool_result', 'response.output', '{"cents":3}'],
  ])
  t.same(read({ output: 'a', key: 'b' }), [['tool_result', 'response', '{"output":"a","key":"b"}']])
  t.same(read(['a']), [['tool_result', 'response', '["a"]']])
  t.same(read({}), [])
})
