import t from 'tap'
import { setModel } from '../providers/set-model.ts'

const asked = (json: object, upstreamTarget = '/chat/completions') => ({
  body: Buffer.from(JSON.stringify(json)),
  upstreamTarget,
})

const request = (json: Readonly<Record<string, unknown>>, model: string) => ({ model, stream: false, json })

t.test('a model that the body names is named there, and every other byte stays', async (t) => {
  const json = { messages: [{ content: 'model' }], model: 'big', n: 1 }
  t.equal(
    setModel(asked(json), request(json, 'big'), 'small')?.body.toString(),
    '{"messages":[{"content":"model"}],"model":"small","n":1}',
  )
})

t.test('a model that the path names is named there', async (t) => {
  const json = { contents: [] }
  const path = '/v1beta/models/gemini-2.5-pro:generateContent?alt=sse'
  t.match(setModel(asked(json, path), request(json, 'gemini-2.5-pro'), 'gemini-2.5-flash'), {
    body: Buffer.from('{"contents":[]}'),
    upstreamTarget: '/v1beta/models/gemini-2.5-flash:generateContent?alt=sse',
  })
})

t.test('where body and path may say different models, none is set: the provider would go by the path', async (t) => {
  const both = { model: 'big' }
  for (const path of ['/openai/deployments/big/chat/completions', '/v1beta/models/big:generateContent'])
    t.equal(setModel(asked(both, path), request(both, 'big'), 'small'), null, path)
  t.equal(setModel(asked({ model: 'other' }), request({ model: 'other' }, 'big'), 'small'), null)
})
