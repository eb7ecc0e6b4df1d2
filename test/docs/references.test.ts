import { existsSync, readFileSync } from 'node:fs'
import { API_CODES, CODES, REPORT_CODES } from '@agentcostcontrol/contract'
import { compilePolicy } from '@agentcostcontrol/policy'
import t from 'tap'
import { acc } from '../../cli/test/support/acc.ts'
import { createMetrics } from '../../control-plane/metrics.ts'
import { REPORT_CATALOGUE } from '../../sidecar/agents/local-api.ts'
import { ERROR_CATALOGUE } from '../../sidecar/errors.ts'
import { examples, page, pages, prose, rows } from '../support/documents.ts'
import { inCheckout } from '../support/paths.ts'
import { sidecarFor } from '../support/sidecar.ts'

const all = pages()

t.test('docs/errors.md lists exactly the codes that there are, with their status, a cause and a remedy', async (t) => {
  const told = rows(page('docs/errors.md').text).filter(([code]) => code?.startsWith('`acc_'))
  t.same(
    told.map(([code, status]) => ({ code, status })),
    ERROR_CATALOGUE.map(({ code, status }) => ({ code: `\`${code}\``, status: String(status) })),
    'in the order of contract/codes.ts',
  )
  for (const [code = '', , cause = '', remedy = ''] of told) t.ok(cause.length > 10 && remedy.length > 4, code)
})

t.test('docs/lifecycle.md shows every code that a request can end with', async (t) => {
  for (const code of CODES) if (code !== 'acc_internal') t.match(page('docs/lifecycle.md').text, `\`${code}\``)
})

t.test('docs/agents.md lists exactly the codes that agents can be answered, with their status', async (t) => {
  const told = rows(page('docs/agents.md').text).filter(([code]) => code?.startsWith('`acc_report_'))
  t.same(
    told.map(([code, status]) => ({ code, status })),
    REPORT_CATALOGUE.map(({ code, status }) => ({ code: `\`${code}\``, status: String(status) })),
  )
})

t.test('every acc_ name in the documentation is an error code or a metric of one of the planes', async (t) => {
  const sidecar = await sidecarFor(t, { upstream: 'http://127.0.0.1:9/v1' })
  const ofSidecar = await (await fetch(`${sidecar.adminUrl}/metrics`)).text()
  const text = `${ofSidecar}${await createMetrics().text()}`
  const metrics = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name)
  const known: readonly string[] = [...metrics, ...CODES, ...API_CODES, ...REPORT_CODES]
  for (const { path, text } of all) {
    for (const [name] of text.matchAll(/\bacc_[a-z_]+(?:\*|\b)/g)) {
      const found = name.endsWith('*')
        ? known.some((each) => each.startsWith(name.slice(0, -1)))
        : known.some((each) => each === name || `${each}_bucket` === name)
      t.ok(found, `${path}: ${name}`)
    }
  }
})

t.test('every policy in the documentation compiles, and every JSON example is JSON', async (t) => {
  let policies = 0
  for (const each of all) {
    for (const { language, code } of examples(each)) {
      if (language === 'json') t.doesNotThrow(() => JSON.parse(code), each.path)
      if (language !== 'yaml' || !code.includes('agentcostcontrol.io/v1')) continue
      t.match(compilePolicy([{ path: 'example.yaml', text: code }]), { ok: true }, each.path)
      policies++
    }
  }
  t.ok(policies >= 3, 'the check sees policies')
})

t.test('every command in the documentation exists', async (t) => {
  const { scripts } = JSON.parse(readFileSync(inCheckout('package.json'), 'utf8'))
  const overview = (await acc(t, ['help'])).stdout
  const commands = [...overview.matchAll(/^ {2}acc ((?:\w+ ?)+\w)/gm)].map(([, name = '']) => name)
  t.ok(commands.length >= 4, 'the check sees commands')
  for (const { path, text } of all) {
    for (const [, script = ''] of text.matchAll(/\bnpm run ([\w:-]+)/g))
      t.ok(script in scripts, `${path}: npm run ${script}`)
    for (const [, script = ''] of text.matchAll(/\bnpm (start|test)\b/g))
      t.ok(script in scripts, `${path}: npm ${script}`)
    for (const [, words = ''] of text.matchAll(/(?:npx acc|npm run acc --) ((?:[a-z]+ ?)+)/g)) {
      const known = [...commands, 'help'].some((name) => `${words} `.startsWith(`${name} `))
      t.ok(known, `${path}: acc ${words}`)
    }
    for (const [, name = ''] of text.matchAll(/\b(?:npx|node_modules\/\.bin\/)\s*([a-z]+)\b/g))
      t.ok(existsSync(inCheckout(`node_modules/.bin/${name}`)), `${path}: ${name}`)
  }
})

t.test('every test that docs/guarantees.md names is there, by file and by name', async (t) => {
  let count = 0
  for (const cells of rows(prose(page('docs/guarantees.md')))) {
    for (const [, file = '', name = ''] of (cells.at(-1) ?? '').matchAll(/`([\w./-]+\.ts)`: ([^;]+)/g)) {
      const source = existsSync(inCheckout(file)) ? readFileSync(inCheckout(file), 'utf8') : ''
      t.ok(source.includes(name.trim()), `${file}: ${name}`)
      count++
    }
  }
  t.ok(count > 20, 'the check sees tests')
})

t.test('the README counts the prices as they are', async (t) => {
  const { models } = JSON.parse(readFileSync(inCheckout('seed/rate-card.json'), 'utf8'))
  const providers = new Set(models.map(({ provider }: { provider: string }) => provider))
  for (const path of ['README.md', 'CHANGELOG.md']) {
    const [, prices = '', count = ''] = /([\d ]+)(?: prices)? of (\d+) providers/.exec(page(path).text) ?? []
    t.equal(Number(prices.replaceAll(' ', '')), models.length, path)
    t.equal(Number(count), providers.size, path)
  }
})
