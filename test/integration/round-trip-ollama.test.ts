import t from 'tap'
import { ollamaChat } from './detector-matrix/formats.ts'
import { holdsInFormat } from './round-trip/run.ts'

t.test(
  'what is taken out of a request in the format of Ollama’s chat is put back where the policy says so, plain and streamed',
  (t) => holdsInFormat(t, ollamaChat),
)
