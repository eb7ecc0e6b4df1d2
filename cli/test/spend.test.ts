import { join } from 'node:path'
import t from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { sidecarFor } from '../../test/support/sidecar.ts'
import { simulatorFor } from '../../test/support/simulator.ts'
import { acc } from './support/acc.ts'

t.test('acc spend tells what a running sidecar has written down, and its sum is the provider’s bill', async (t) => {
  const data = folderFor(t)
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, dataDir: join(data, 'sidecar') })
  const asked = [
    ['writer', 'gpt-4.1'],
    ['writer', 'gpt-4.1-mini'],
    ['reader', 'gpt-4.1-mini'],
    ['', 'gpt-4.1-mini'],
  ]
  for (const [agent = '', model] of asked) {
    const response = await fetch(`${sidecar.url}/openai/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer any', ...(agent === '' ? {} : { 'x-acc-agent': agent }) },
      body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }] }),
    })
    await response.text()
  }
  const refused = await fetch(`${sidecar.url}/openai/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer any', 'x-acc-agent': 'reader' },
    body: '{"model":"nobody-knows","messages":[]}',
  })
  t.equal(refused.headers.get('x-acc-code'), 'acc_model_unpriced')
  await refused.text()
  await sidecar.events(5)
  const billed = simulator.bill
    .entries()
    .reduce((sum, { costPicoUsd }) => sum + (BigInt(costPicoUsd ?? 0) + 999n) / 1_000n, 0n)
  const spend = (...words: readonly string[]) => acc(t, ['spend', '--data', data, ...words])

  const { code, stdout } = await spend()
  t.equal(code, 0)
  const [head, first, , , total] = stdout.split('\n')
  t.match(head, /^agent +requests +refused +tokens in +tokens out +cost$/)
  t.match(first, /^writer +2 +0 +\d+ +\d+ +\$0\.0\d+$/, 'the dearest first')
  t.match(stdout, /^\(none\) +1 /m)
  t.match(stdout, /^reader +1 +1 +\d+/m, 'what was refused stands apart')
  t.match(total, /^total +4 +1 /)

  const json = JSON.parse((await spend('--json')).stdout)
  t.same([json.total.requests, json.total.refused], [4, 1])
  t.equal(json.total.costNanoUsd, billed.toString())
  t.match((await spend('--by', 'model')).stdout, /^openai\/gpt-4\.1-mini +3 /m)
  t.match((await spend('--by', 'day')).stdout, /^\d{4}-\d{2}-\d{2} +4 /m)
  t.match((await spend('--since', '2020-02-29')).stdout, /^total +4 /m)
  t.match((await spend('--since', '2999-01-01')).stdout, /^total +0 +0 +0 +0 +\$0\.00$/m)
})

t.test('words that acc spend does not know are told with what it expects, and the exit code is 2', async (t) => {
  const cases: readonly (readonly [words: readonly string[], message: string])[] = [
    [['--by', 'agnet'], 'acc: --by agnet: expected one of agent, model, day; did you mean agent?'],
    [['--by'], 'acc: --by needs a value'],
    [['--data', '--json'], 'acc: --data needs a value'],
    [['--json=1'], 'acc: --json takes no value'],
    [['--since', '2026-02-30'], 'acc: --since 2026-02-30: expected a day like 2026-11-23'],
    [['--sicne', '2026-02-03'], 'acc: unknown option --sicne: did you mean --since?'],
    [['agent'], 'acc: "agent" was not expected; it takes options only'],
  ]
  for (const [words, message] of cases) {
    const { code, stderr, stdout } = await acc(t, ['spend', ...words])
    t.equal(code, 2, words.join(' '))
    t.equal(stderr, `${message}\n`)
    t.equal(stdout, '')
  }
})

t.test('without data acc spend says how to get some', async (t) => {
  const folder = folderFor(t)
  const { code, stderr } = await acc(t, ['spend', '--data', folder])
  t.equal(code, 1)
  t.equal(stderr, `acc: nothing is recorded in ${folder} yet: "npm start" begins to, --data names another folder\n`)
})
