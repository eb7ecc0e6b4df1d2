import { parseUsd } from '@agentcostcontrol/contract'
import t from 'tap'
import { planeTool } from '../../cli/support/plane-tool.ts'
import { clusterUrlOf } from '../support/control-plane.ts'
import { checkWhole, goneOn, isAlive, memberFor, standDown } from '../support/fleet.ts'
import { planeFor } from '../support/plane.ts'
import { budgetYaml } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

const LIMIT = '1.00'
const MORE = 40

t.test(
  'kill -9 of sidecars, of the control plane, of its PostgreSQL and of all at once: nothing is lost',
  async (t) => {
    const simulator = await simulatorFor(t, { recordRequests: false })
    const policies = {
      'shared.yaml': budgetYaml({ name: 'shared', limit: LIMIT }),
      'each.yaml': budgetYaml({ name: 'each', limit: '0.50', agent: '*' }),
    }
    const begun = await planeFor(t, {}, policies)
    let { plane } = begun
    const pids = [plane.pid, plane.postgresPid() ?? 0]
    const back = async (): Promise<void> => {
      plane = await begun.again()
      pids.push(plane.pid, plane.postgresPid() ?? 0)
    }
    const place = { upstream: `${simulator.url}/v1`, env: begun.env }
    const [first, second, third] = [await memberFor(t, place), await memberFor(t, place), await memberFor(t, place)]
    const members = [first, second, third]
    await goneOn(members, MORE)

    for (const member of [first, second]) {
      await member.kill()
      await goneOn([third], MORE / 2)
      await member.again()
    }
    await goneOn(members, MORE)

    const answered = members.map(({ load }) => load.results.answered)
    await plane.kill()
    await goneOn(members, MORE)
    for (const [at, { load }] of members.entries())
      t.ok(load.results.answered > (answered[at] ?? 0), 'it serves without the control plane')
    await back()
    await goneOn(members, MORE)

    process.kill(plane.postgresPid() ?? 0, 'SIGKILL')
    await goneOn(members, MORE)
    await until('PostgreSQL runs again', () =>
      plane.log.some(({ message }) => String(message).includes('runs again')) ? true : null,
    )
    pids.push(plane.postgresPid() ?? 0)
    await goneOn(members, MORE)

    await Promise.all([plane.kill(), ...members.map((member) => member.kill())])
    await Promise.all(members.map((member) => member.again()))
    await goneOn(members, MORE)
    await back()
    await goneOn(members, MORE)

    // Everything at the same moment, with PostgreSQL.
    process.kill(plane.postgresPid() ?? 0, 'SIGKILL')
    await Promise.all([plane.kill(), ...members.map((member) => member.kill())])
    await Promise.all([back(), ...members.map((member) => member.again())])
    await goneOn(members, MORE)

    await standDown(t, members)
    // On one machine that was not restarted nobody comes back as a broken holder: what was set aside is all returned.
    await checkWhole(t, {
      url: plane.url,
      key: begun.key,
      databaseUrl: clusterUrlOf(plane),
      dataDirs: members.map(({ dataDir }) => dataDir),
      simulator,
      limitNanoUsd: parseUsd(LIMIT),
    })
    t.match(JSON.parse(await planeTool('control-plane/verify.ts', [plane.dataDir])), { ok: true, ledger: { wrong: 0 } })
    t.equal(plane.complaint(), '')
    t.equal(await plane.stop(), 0)
    t.same([...pids, ...members.flatMap((member) => member.pids)].filter(isAlive), [], 'no process is left')
  },
)
