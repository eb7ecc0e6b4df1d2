import { CODES } from '@agentcostcontrol/contract'
import t from 'tap'
import { tryDesk } from '../support/ways-out.ts'
import { ANSWERED } from './ways-out/answered.ts'
import { REFUSED } from './ways-out/refused.ts'

t.jobs = 2
for (const desk of REFUSED) t.test(desk.name, { buffered: true }, (t) => tryDesk(t, desk))

/** Told on a connection that carries no request yet, or only while the sidecar stops (ways-out-shutdown.test.ts). */
const ELSEWHERE = ['acc_headers_too_large', 'acc_shutting_down']

t.test('every code of the catalogue is a way out that is tried', async (t) => {
  const tried = [...REFUSED, ...ANSWERED].flatMap(({ ways }) =>
    ways.flatMap(({ ends }) => ends.map(({ code }) => code)),
  )
  t.same([...CODES].filter((code) => !tried.includes(code)).sort(), ELSEWHERE)
})
