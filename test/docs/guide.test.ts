import { execFile, execFileSync } from 'node:child_process'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { FREE_PORTS, startAcc } from '../../cli/test/support/acc.ts'
import { examples, page } from '../support/documents.ts'
import { inCheckout } from '../support/paths.ts'
import { folderFor } from '../support/scope.ts'
import { until } from '../support/until.ts'

const run = promisify(execFile)
const { path, text } = page('README.md')
const guide = /^## Five minutes[\s\S]*?(?=^## )/m.exec(text)?.[0] ?? ''
const steps = examples({ path, text: guide })
const shell = steps.filter(({ language }) => language === 'sh').map(({ code }) => code)
const code = (language: string): string => steps.find((step) => step.language === language)?.code ?? ''

/** Whether the machine has what the Python example imports. */
function pythonHasOpenai(): boolean {
  try {
    execFileSync('python3', ['-c', 'import openai'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

t.test('the README’s first five minutes work as they stand there', async (t) => {
  // A folder that stands for the clone: its own .acc and my-policies, everything else from the checkout.
  const clone = folderFor(t)
  for (const name of ['policies', 'node_modules']) symlinkSync(inCheckout(name), join(clone, name))
  const [copy = '', curl = '', budget = '', leak = '', spend = ''] = shell
  t.match(copy, 'npm start -- --policies my-policies')
  await run('bash', ['-ec', copy.replace(/^npm start.*$/m, '')], { cwd: clone })
  const up = startAcc(t, ['up', ...FREE_PORTS, '--policies', 'my-policies'], { cwd: clone })
  const [, url = ''] = /agents send to +(\S+)/.exec(await up.printed(/Ctrl-C stops everything/)) ?? []
  const bash = async (step: string): Promise<string> => {
    const here = step
      .replaceAll('http://127.0.0.1:4000', url)
      .replaceAll('npx acc', `'${process.execPath}' '${inCheckout('cli/bin.js')}'`)
    return (await run('bash', ['-c', here], { cwd: clone })).stdout
  }

  t.ok(JSON.parse(await bash(curl)).choices[0].message.content, 'the curl line answers')
  const script = join(clone, 'guide.ts')
  writeFileSync(script, code('ts').replaceAll('http://127.0.0.1:4000', url))
  t.ok((await run(process.execPath, [script])).stdout.length > 20, 'TypeScript answers, streamed')
  await t.test('Python answers', { skip: !pythonHasOpenai() && 'SKIPPED: python3 has no openai here' }, async (t) => {
    const { stdout } = await run('python3', ['-c', code('python').replaceAll('http://127.0.0.1:4000', url)])
    t.ok(stdout.length > 20)
  })

  const [edit = '', ask = ''] = budget.split('sleep 2\n')
  await bash(edit)
  await until('the new limit is in force', () => {
    const log = readFileSync(join(clone, '.acc/sidecar.log'), 'utf8')
    return log.split('"policy in force"').length > 2 ? true : null
  })
  const heads = (await bash(ask)).split('\n')
  const refused = heads.findIndex((line) => line.startsWith('HTTP/1.1 429'))
  t.ok(refused > 0)
  t.match(heads.slice(0, refused).join('\n'), /HTTP\/1\.1 200[\s\S]*x-acc-output-limit: \d+/, 'shorter answers first')
  t.match(heads.slice(refused).join('\n'), /x-acc-code: acc_budget_exceeded[\s\S]*"budget":"each-agent-daily"/)

  t.match(JSON.parse(await bash(leak)), { error: { code: 'acc_security_blocked', message: /aws-access-key-id/ } })
  const told = await bash(spend)
  for (const agent of ['first-agent', 'typescript-agent', 'leaky-agent']) t.match(told, new RegExp(`^${agent} `, 'm'))
  t.match(told, '"key":"openai/gpt-4.1-mini"')
})
