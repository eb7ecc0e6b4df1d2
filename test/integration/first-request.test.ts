import t from 'tap'
import { sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'

t.test('a request goes through, its cost equals the provider’s bill, and it is told once', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
  const response = await fetch(`${sidecar.url}/openai/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer any', 'content-type': 'application/json', 'x-acc-agent': 'a' },
    body: JSON.stringify({ model: 'gpt-4.1-mini', messages: [{ role: 'user', content: 'hello' }] }),
  })
  t.equal(response.status, 200)
  await response.text()
  const events = await sidecar.events(1)
  const [entry] = simulator.bill.entries()
  t.equal(events.length, 1)
  t.equal(events[0]?.attempts[0]?.costNanoUsd, ((BigInt(entry?.costPicoUsd ?? 0) + 999n) / 1000n).toString())
  t.equal(events[0]?.principal.agent, 'a')
  t.equal(await sidecar.metric('acc_requests_total', { outcome: 'completed' }), 1)
  t.equal(await sidecar.stop(), 0)
})
