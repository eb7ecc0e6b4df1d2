import t from 'tap'
import { chat } from '../support/chat.ts'
import { sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'

t.test(
  'the configuration says who speaks, a header only what is left open and trusted, and no provider sees it',
  async (t) => {
    const simulator = await simulatorFor(t)
    const sidecar = await sidecarFor(t, {
      upstream: `${simulator.url}/v1`,
      env: { ACC_AGENT: 'configured', ACC_TAGS: 'team=search', ACC_TRUST_HEADERS: 'agent,workflow,tags' },
    })
    const headers = {
      'x-acc-agent': 'claimed',
      'X-ACC-Workflow': 'named-by-client',
      'x-acc-session': 'not-trusted',
      'x-acc-task': 'not-trusted',
      'x-acc-tags': 'team=other, colour=red',
      'x-acc-unknown': 'x',
    }
    t.equal((await chat(sidecar.url, { headers })).status, 200)
    t.equal((await chat(sidecar.url)).status, 200)
    const [named, plain] = await sidecar.events(2)
    t.same(named?.principal, {
      agent: 'configured',
      workflow: 'named-by-client',
      session: null,
      task: null,
      tags: { colour: 'red', team: 'search' },
    })
    t.same(plain?.principal, {
      agent: 'configured',
      workflow: null,
      session: null,
      task: null,
      tags: { team: 'search' },
    })
    const sent = simulator.requests().flatMap(({ rawHeaders }) => rawHeaders.map((part) => part.toLowerCase()))
    t.same(
      sent.filter((part) => part.startsWith('x-acc-')),
      [],
    )
  },
)

t.test(
  'a name that is trusted and cannot be used is refused with the header’s name; one that is not trusted is ignored',
  async (t) => {
    const simulator = await simulatorFor(t)
    const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, env: { ACC_TRUST_HEADERS: 'agent,tags' } })
    const send = (headers: Readonly<Record<string, string>>) => chat(sidecar.url, { headers })
    t.match(await send({ 'x-acc-agent': 'a'.repeat(254) }), {
      status: 400,
      code: 'acc_header_invalid',
      message: /x-acc-agent/,
    })
    t.match(await send({ 'x-acc-agent': '' }), { status: 400, code: 'acc_header_invalid' })
    t.match(await send({ 'x-acc-tags': 'no-value' }), {
      status: 400,
      code: 'acc_header_invalid',
      message: /x-acc-tags/,
    })
    t.match(await send({ 'x-acc-tags': `a=${'b'.repeat(5_000)}` }), { status: 400, code: 'acc_header_invalid' })
    t.match(await send({ 'x-acc-session': 's'.repeat(9_000) }), { status: 200 })
    t.same(
      (await sidecar.events(5)).map(({ code, principal }) => [code, principal.agent]),
      [...Array(4).fill(['acc_header_invalid', null]), [null, null]],
    )
  },
)

t.test('what is refused before its body is read, or because of it, is recorded under who sent it', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    env: { ACC_AGENT: 'configured', ACC_TRUST_HEADERS: 'task', ACC_BODY_BYTES_MAX: '1024' },
  })
  const headers = { 'x-acc-agent': 'claimed', 'x-acc-task': 'named' }
  const refused = [
    ['acc_body_not_json', { raw: '{"model":' }],
    ['acc_model_missing', { raw: '{}' }],
    ['acc_body_encoding_unsupported', { headers: { ...headers, 'content-encoding': 'gzip' } }],
    ['acc_body_too_large', { raw: `{"a":"${'b'.repeat(2_000)}"}` }],
    ['acc_route_unknown', { path: '/v1//chat/completions' }],
  ] as const
  for (const [code, asked] of refused) t.equal((await chat(sidecar.url, { headers, ...asked })).code, code)
  const events = await sidecar.events(refused.length)
  t.same(
    events.map(({ code, principal: { agent, task } }) => [code, agent, task]),
    refused.map(([code]) => [code, 'configured', 'named']),
  )
  t.equal(simulator.requests().length, 0)
})
