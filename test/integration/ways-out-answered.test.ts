import t from 'tap'
import { tryDesk } from '../support/ways-out.ts'
import { ANSWERED } from './ways-out/answered.ts'

t.jobs = 2
for (const desk of ANSWERED) t.test(desk.name, { buffered: true }, (t) => tryDesk(t, desk))
