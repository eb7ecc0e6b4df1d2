import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { examples, page } from '../support/documents.ts'
import { folderFor } from '../support/scope.ts'
import { sidecarFor } from '../support/sidecar.ts'

const run = promisify(execFile)
const steps = examples(page('docs/agents.md'))

t.test('the examples of docs/agents.md are taken by a sidecar as they stand there', async (t) => {
  const sidecar = await sidecarFor(t, { upstream: 'http://127.0.0.1:9/v1' })
  const code = (language: string): string =>
    (steps.find((step) => step.language === language)?.code ?? '').replaceAll('http://127.0.0.1:4000', sidecar.url)
  const taken = async () => [
    await sidecar.metric('acc_agent_heartbeats_total'),
    await sidecar.metric('acc_agent_tasks_total'),
  ]
  const { stdout } = await run('bash', ['-ec', code('sh')])
  t.equal(stdout, '{"accepted":1}\n{"accepted":1}\n')
  const script = join(folderFor(t), 'agent.ts')
  writeFileSync(script, code('ts'))
  await run(process.execPath, [script])
  t.same(await taken(), [2, 3])
  await run('python3', ['-c', code('python')])
  t.same(await taken(), [3, 4])
})
