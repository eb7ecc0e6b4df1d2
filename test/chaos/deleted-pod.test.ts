import { rmSync } from 'node:fs'
import { parseUsd } from '@agentcostcontrol/contract'
import t from 'tap'
import { planeTool } from '../../cli/support/plane-tool.ts'
import { send } from '../support/ask.ts'
import { billOf, countersOf } from '../support/fleet.ts'
import { planeFor } from '../support/plane.ts'
import { budgetYaml, sidecarFor, withPolicy } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'

const LIMIT = '0.002'

t.test(
  'a pod that is deleted with its disk leaves its money set aside, and its successor spends the rest',
  async (t) => {
    const simulator = await simulatorFor(t)
    const { plane, key, env } = await planeFor(t, {}, { 'shared.yaml': budgetYaml({ name: 'shared', limit: LIMIT }) })
    const start = () => withPolicy(sidecarFor(t, { upstream: `${simulator.url}/v1`, env }))
    const committed = async (): Promise<bigint> => {
      const seen = (await countersOf(plane.url, key)).find(({ budgetUid }) => budgetUid === 'Budget/shared')
      return BigInt(seen?.settledNanoUsd ?? 0) + BigInt(seen?.escrowNanoUsd ?? 0)
    }
    const ask = { body: { max_tokens: 40 } }

    const first = await start()
    for (let times = 0; times < 5; times++) t.equal((await send(first.url, ask)).status, 200)
    await first.kill()
    rmSync(first.dataDir, { recursive: true, force: true })
    const spent = billOf(simulator)
    const held = await committed()
    t.ok(held >= spent, `${held} are settled or set aside for the ${spent} that it was billed`)

    const second = await start()
    let answers = 0
    for (let refused = 0; refused < 5; ) {
      const response = await send(second.url, ask)
      if (response.status === 200) answers++
      else refused++
      await response.text()
    }
    t.ok(answers > 0, 'the next pod is served')
    t.ok(billOf(simulator) <= parseUsd(LIMIT), `${billOf(simulator)} billed of ${parseUsd(LIMIT)}`)
    t.equal(await second.stop(), 0)
    t.ok((await committed()) >= spent, 'what the first one held is still set aside')
    t.ok((await committed()) <= parseUsd(LIMIT))
    t.match(JSON.parse(await planeTool('control-plane/verify.ts', [plane.dataDir])), { ok: true, ledger: { wrong: 0 } })
  },
)
