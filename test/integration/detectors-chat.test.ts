import t from 'tap'
import { chat } from './detector-matrix/formats.ts'
import { holdsInFormat } from './detector-matrix/run.ts'

t.test(
  'every detector does what the policy says with every source of OpenAI’s chat completions, plain and streamed',
  (t) => holdsInFormat(t, chat),
)
