import t from 'tap'
import { tryDesk } from '../support/ways-out.ts'
import { LEFT } from './ways-out/left.ts'

t.jobs = 2
for (const desk of LEFT) t.test(desk.name, { buffered: true }, (t) => tryDesk(t, desk))
