import { readdirSync } from 'node:fs'
import t from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { acc, gone, startAcc } from './support/acc.ts'

t.test(
  'acc demo ends by itself, without a terminal, with a story and an equal bill, whatever is set outside',
  async (t) => {
    const temporary = folderFor(t)
    const env = {
      TMPDIR: temporary,
      OPENAI_API_KEY: 'sk-of-the-user',
      ACC_AGENT: 'somebody',
      ACC_LISTEN: '127.0.0.1:1',
      ACC_UPSTREAM_OPENAI: 'http://127.0.0.1:9/v1',
    }
    const { code, stdout, stderr } = await acc(t, ['demo'], { env })
    t.equal(code, 0)
    t.equal(stderr, '')
    t.match(stdout, /"researcher" works.*\n {3}10 of 10 answered/)
    t.match(stdout, /"looper" asks.*\n {3}40 times answered/)
    t.match(
      stdout,
      /\n {3}\d+ answered, then 429: .*the budget "demo-spender" of \$0\.02 has \$0\.0\d+ left and resets at/,
    )
    t.match(stdout, /\n {3}403: Blocked by the security policy "demo": secrets\/aws-access-key-id/)
    for (const agent of ['researcher', 'looper', 'spender', 'leaker'])
      t.match(stdout, new RegExp(`^${agent} +\\d+`, 'm'))
    t.match(
      stdout,
      /\n {3}leaker +denied +acc_security_blocked +\$0\.00\n {3}spender +denied +acc_budget_exceeded +\$0\.00\n/,
    )
    t.match(stdout, /\n {3}spender +completed +gpt-4\.1 +\$0\.0\d+\n/, 'the request log is the control plane’s')
    t.match(stdout, /billed \$(\d\.\d+); our record says \$\1: equal to the nano-dollar\.\n$/)
    t.same(readdirSync(temporary), [], 'its data folder is gone')
  },
)

t.test('Ctrl-C in the demo ends everything that it started', async (t) => {
  const temporary = folderFor(t)
  const running = startAcc(t, ['demo'], { env: { TMPDIR: temporary } })
  await running.printed(/10 of 10 answered/)
  const children = running.children()
  t.equal(children.length, 3, 'simulator, control plane and sidecar')
  running.kill('SIGINT')
  t.equal((await running.ended).code, 130)
  await gone(children)
  t.same(readdirSync(temporary), [])
})
