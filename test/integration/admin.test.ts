import { spawnSync } from 'node:child_process'
import { DETECTORS } from '@agentcostcontrol/detectors'
import t, { type Test } from 'tap'
import { metricsText } from '../support/admin.ts'
import { chat } from '../support/chat.ts'
import { page, rows } from '../support/documents.ts'
import { type MetricFamily, parsePrometheus } from '../support/prometheus.ts'
import type { Scope } from '../support/scope.ts'
import { AMPLE_BUDGET, budgetYaml, securityYaml, sidecarFor, type TestSidecar } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'

async function started(t: Scope) {
  const simulator = await simulatorFor(t)
  const policies = {
    'budget.yaml': AMPLE_BUDGET,
    'poor.yaml': budgetYaml({ name: 'poor', limit: '0.000001', agent: 'poor' }),
    'security.yaml': securityYaml({ request: 'warn' }),
  }
  return { simulator, sidecar: await sidecarFor(t, { upstream: `${simulator.url}/v1`, policies }) }
}

/** A bit of everything that is counted with labels. */
async function mix({ url }: TestSidecar): Promise<void> {
  await chat(url)
  await chat(url, { body: { stream: true } })
  await chat(url, { body: { messages: [{ role: 'user', content: DETECTORS[0]?.canary() }] } })
  await chat(url, { headers: { 'x-acc-agent': 'poor' } })
  await chat(url, { headers: { 'x-sim-fault': 'status-500' } })
  await chat(url, { raw: '{' })
  await chat(url, { path: '/v1/moderations' })
  // Of so many texts at least one is timed; a picture is passed over.
  const texts = Array.from({ length: 20 }, (_, at) => ({ type: 'text', text: `text ${at}` }))
  const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } }
  await chat(url, { body: { messages: [{ role: 'user', content: [...texts, picture] }] } })
}

t.test('the admin port answers its three paths to GET and HEAD, and nothing else', async (t) => {
  const { sidecar } = await started(t)
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(`${sidecar.adminUrl}${path}`, { method })
    return { status: response.status, text: await response.text(), type: response.headers.get('content-type') }
  }
  t.same(await ask('/healthz'), { status: 200, text: 'ok\n', type: 'text/plain; charset=utf-8' })
  t.match(await ask('/readyz?x=1'), { status: 200, type: 'application/json' })
  t.match(await ask('/metrics'), { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8' })
  t.same(await ask('/healthz', 'HEAD'), { status: 200, text: '', type: 'text/plain; charset=utf-8' })
  t.match(await ask('/'), { status: 404, text: /\/healthz, \/readyz and \/metrics/ })
  t.match(await ask('/metrics/../healthz/x'), { status: 404 })
  t.match(await ask('/readyz', 'POST'), { status: 405 })
})

t.test('what the sidecar does is what its metrics say', async (t) => {
  const { sidecar, simulator } = await started(t)
  await mix(sidecar)
  const count = (name: string, labels: Readonly<Record<string, string>> = {}) => sidecar.metric(name, labels)
  t.equal(await count('acc_requests_total', { outcome: 'completed', streamed: 'false' }), 5)
  t.equal(await count('acc_requests_total', { outcome: 'completed', streamed: 'true' }), 1)
  t.equal(await count('acc_requests_total', { outcome: 'denied', code: 'acc_budget_exceeded' }), 1)
  t.equal(await count('acc_requests_total', { outcome: 'denied', code: 'acc_body_not_json' }), 1)
  t.equal(await count('acc_upstream_responses_total', { status: '500' }), 1)
  t.equal(await count('acc_findings_total', { detector: 'secrets', direction: 'request', action: 'warn' }), 1)
  t.equal(await count('acc_unpriced_requests_total', { operation: 'moderations' }), 1)
  t.equal(await count('acc_budget_exhausted_total'), 1)
  t.equal(await count('acc_request_added_latency_seconds_count'), 6)
  t.equal(await count('acc_request_duration_seconds_count'), 8)
  t.ok((await count('acc_policy_age_seconds')) > 0)
  t.equal(await count('acc_policy_revision_info'), 1)
  t.equal(await count('acc_requests_in_flight'), 0)
  const billed = simulator.bill.entries().reduce((sum, { costPicoUsd }) => sum + Number(costPicoUsd ?? 0), 0) / 1e12
  t.ok(Math.abs((await count('acc_cost_usd_total')) - billed) < 1e-8, 'cost')
  t.ok((await count('acc_tokens_total', { kind: 'outputVisible' })) >= 3 * 16, 'tokens by kind')
})

t.test('/metrics is valid Prometheus text, and docs/metrics.md tells exactly what stands in it', async (t) => {
  const { sidecar } = await started(t)
  await mix(sidecar)
  const text = await metricsText(sidecar.adminUrl)
  const families = parsePrometheus(text)
  const ours = families.filter(({ name }) => name.startsWith('acc_'))
  t.ok(families.some(({ name }) => name === 'process_resident_memory_bytes'))

  const told = rows(page('docs/metrics.md').text).filter(([name]) => name?.startsWith('`acc_'))
  t.same(
    told.map(([name, type, labels]) => ({ name, type, labels })).sort(byName),
    ours.map(({ name, type, samples }) => ({ name: `\`${name}\``, type, labels: labelsOf(samples) })).sort(byName),
  )
  for (const [name = '', , , meaning = ''] of told) t.ok(meaning.length > 10, name)
  for (const family of ours) checkName(t, family)

  // Where Prometheus' own checker is at hand it has the last word.
  const promtool = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  if (promtool.error) t.comment('promtool is not installed: the strict reader above is all')
  else t.notMatch(promtool.stderr, /error/i)
})

const byName = (a: { readonly name: string | undefined }, b: { readonly name: string | undefined }): number =>
  (a.name ?? '') < (b.name ?? '') ? -1 : 1

const labelsOf = (samples: MetricFamily['samples']): string =>
  Object.keys(samples[0]?.labels ?? {})
    .filter((label) => label !== 'le')
    .map((label) => `\`${label}\``)
    .join(', ')

function checkName(t: Test, family: MetricFamily): void {
  const { name, type, help } = family
  t.match(name, /^acc(_[a-z]+)+$/, name)
  t.ok((type === 'counter') === name.endsWith('_total'), `${name}: _total and nothing else is a counter`)
  t.notMatch(name, /milli|micro|kilo|_ms(_|$)/, `${name}: base units`)
  if (type === 'histogram') t.match(name, /_(seconds|bytes)$/, `${name}: its unit`)
  t.ok(help.length > 8, `${name}: help`)
}

t.test('hostile names of models, agents, paths and methods make no new series', async (t) => {
  const { sidecar } = await started(t)
  const attack = async (from: number, to: number): Promise<void> => {
    const statuses = new Set<number>()
    for (let at = from; at < to; at += 10) {
      const batch = Array.from({ length: 10 }, (_, step) => hostile(sidecar.url, at + step))
      for (const response of await Promise.all(batch)) {
        statuses.add(response.status)
        await response.text()
      }
    }
    t.notOk(statuses.has(500), [...statuses].join())
  }
  const series = async (): Promise<number> =>
    parsePrometheus(await metricsText(sidecar.adminUrl))
      .filter(({ name }) => name.startsWith('acc_'))
      .reduce((sum, { samples }) => sum + samples.length, 0)
  await attack(0, 60)
  const before = await series()
  await attack(60, 600)
  t.equal(await series(), before)
  t.ok(before < 600, `${before} series`)
})

/** A request whose every name is new. */
function hostile(url: string, at: number): Promise<Response> {
  const name = `evil "${at}\\`
  const body = JSON.stringify({ model: at % 3 === 0 ? name : `gpt-4.1-mini-${at}`, user: name, messages: [] })
  const post = { method: 'POST', headers: { authorization: 'x', 'x-acc-agent': name, 'x-acc-session': name }, body }
  switch (at % 6) {
    case 0:
    case 1:
      return fetch(`${url}/v1/chat/completions?${at}`, post)
    case 2:
      return fetch(`${url}/v1/thing-${at}/x`, { headers: { authorization: 'x' } })
    case 3:
      return fetch(`${url}/provider-${at}/v1/chat/completions`, post)
    case 4:
      return fetch(`${url}/v1/models/model-${at}`, { headers: { authorization: 'x' } })
    default:
      return fetch(`${url}/v1/files/${at}`, { method: ['DELETE', 'PUT', 'PATCH', 'OPTIONS'][at % 4] ?? 'GET' })
  }
}
