import t from 'tap'
import { messages } from './detector-matrix/formats.ts'
import { holdsInFormat } from './detector-matrix/run.ts'

t.test('every detector does what the policy says with every source of Anthropic’s messages, plain and streamed', (t) =>
  holdsInFormat(t, messages),
)
