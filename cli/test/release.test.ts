import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { chat } from '../../test/support/chat.ts'
import { folderFor } from '../../test/support/scope.ts'
import { sidecarFor } from '../../test/support/sidecar.ts'
import { simulatorFor } from '../../test/support/simulator.ts'
import { until } from '../../test/support/until.ts'
import { acc } from './support/acc.ts'

t.test(
  'a sidecar that stands alone refuses whom it quarantined over restarts, until acc release lets it out',
  async (t) => {
    const data = folderFor(t)
    const dataDir = join(data, 'sidecar')
    mkdirSync(dataDir)
    const own = ['bad', 'worse'].map((agent) => ({
      agent,
      state: 'quarantined',
      reason: 'secrets/aws-access-key',
      endsWallMs: null,
      forMs: null,
    }))
    writeFileSync(join(dataDir, 'agent-states.json'), JSON.stringify({ resumedThrough: 0, told: [], own }))
    const simulator = await simulatorFor(t)
    const start = () => sidecarFor(t, { upstream: `${simulator.url}/v1`, dataDir })
    const ask = (url: string, agent: string) => chat(url, { headers: { 'x-acc-agent': agent } })
    const first = await start()
    const { status, code, message, headers } = await ask(first.url, 'bad')
    t.same([status, code], [403, 'acc_agent_quarantined'])
    t.match(message, /"bad" is in quarantine until a person releases it: secrets\/aws-access-key\..*acc release/)
    t.equal(headers.get('x-should-retry'), 'false')
    t.equal((await ask(first.url, 'good')).status, 200)
    t.equal(await first.metric('acc_agents_quarantined_here'), 2)
    t.match(await acc(t, ['release', 'bad', '--data', data]), { code: 2, stderr: /--reason TEXT/ })
    t.match(await acc(t, ['release', '--data', data]), { code: 2, stderr: /acc release AGENT/ })
    t.match(await acc(t, ['release', 'bad', '--reason', 'a test', '--data', data]), { code: 0, stdout: /"bad"/ })
    await until('it is let out', async () => ((await ask(first.url, 'bad')).status === 200 ? true : null))
    await first.kill()
    const second = await start()
    // Killed before it wrote that down, it finds the word of `acc release` still there.
    await until('it is out', async () => ((await ask(second.url, 'bad')).status === 200 ? true : null))
    t.equal((await ask(second.url, 'worse')).code, 'acc_agent_quarantined')
  },
)
