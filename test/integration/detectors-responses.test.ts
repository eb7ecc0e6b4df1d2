import t from 'tap'
import { responses } from './detector-matrix/formats.ts'
import { holdsInFormat } from './detector-matrix/run.ts'

t.test('every detector does what the policy says with every source of OpenAI’s responses, plain and streamed', (t) =>
  holdsInFormat(t, responses),
)
