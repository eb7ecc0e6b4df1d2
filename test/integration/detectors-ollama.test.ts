import t from 'tap'
import { ollamaChat } from './detector-matrix/formats.ts'
import { holdsInFormat } from './detector-matrix/run.ts'

t.test('every detector does what the policy says with every source of Ollama’s chat, plain and streamed', (t) =>
  holdsInFormat(t, ollamaChat),
)
