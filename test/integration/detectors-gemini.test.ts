import t from 'tap'
import { generateContent } from './detector-matrix/formats.ts'
import { holdsInFormat } from './detector-matrix/run.ts'

t.test('every detector does what the policy says with every source of Gemini’s content, plain and streamed', (t) =>
  holdsInFormat(t, generateContent),
)
