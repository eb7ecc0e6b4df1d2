import t from 'tap'
import { generateContent } from './detector-matrix/formats.ts'
import { holdsInFormat } from './round-trip/run.ts'

t.test(
  'what is taken out of a request in the format of Gemini’s content is put back where the policy says so, plain and streamed',
  (t) => holdsInFormat(t, generateContent),
)
