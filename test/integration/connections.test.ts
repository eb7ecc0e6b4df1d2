import t from 'tap'
import { RawConnection } from '../support/raw-http.ts'
import { AMPLE_BUDGET, sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

const MAX = 4
const MODELS = 'GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer any\r\n\r\n'

t.test(
  'connections are bounded: one beyond is told so or closed, the others are served, and room is given again',
  async (t) => {
    const simulator = await simulatorFor(t)
    const sidecar = await sidecarFor(t, {
      upstream: `${simulator.url}/v1`,
      env: { ACC_CONNECTIONS_MAX: String(MAX) },
      policies: { 'budget.yaml': AMPLE_BUDGET },
    })
    const open = (): Promise<RawConnection> => RawConnection.open(t, sidecar.port)
    const openUntil = (count: number): Promise<true> =>
      until(`${count} are open`, async () => ((await sidecar.metric('acc_client_connections')) === count ? true : null))
    const idle = await Promise.all(Array.from({ length: MAX }, open))
    await openUntil(MAX)

    const asking = await open()
    asking.send(MODELS)
    const refusal = await asking.answer('GET')
    t.match(refusal.start, /503/)
    t.match(refusal.lines.join('\n'), /x-acc-code: acc_overloaded/)
    t.match(refusal.lines.join('\n'), /connection: close/i)
    t.match(refusal.body.toString(), /ACC_CONNECTIONS_MAX/)
    await until('it is closed', () => (asking.ended ? true : null))
    t.match(await sidecar.events(1), [{ outcome: 'denied', code: 'acc_overloaded' }])

    const silent = await open()
    await until('one that asks for nothing is closed', () => (silent.ended ? true : null))
    t.equal(await sidecar.metric('acc_refused_connections_total'), 2)

    const crowd = await Promise.all(Array.from({ length: 400 }, open))
    await until('all of a crowd are closed', () => (crowd.every(({ ended }) => ended) ? true : null))
    await openUntil(MAX)
    t.equal(await sidecar.metric('acc_refused_connections_total'), 402)

    for (const connection of idle) {
      connection.send(MODELS)
      t.match((await connection.answer('GET')).start, /200/, 'the others are served')
    }
    idle[0]?.socket.destroy()
    await openUntil(MAX - 1)
    const next = await open()
    next.send(MODELS)
    t.match((await next.answer('GET')).start, /200/, 'there is room again')
  },
)
