import { createServer } from 'node:net'
import type { Ask } from '../../support/ask.ts'
import { deafPortFor } from '../../support/deaf-port.ts'
import { AMPLE_BUDGET, providerYaml, securityYaml } from '../../support/sidecar.ts'
import { type Charged, completed, type Desk, failed, type Place, type Way } from '../../support/ways-out.ts'
import { countedCharge } from './estimate.ts'
import { SECRET } from './refused.ts'

const asking =
  (ask: Ask): Way['go'] =>
  (place) =>
    place.ask(ask)

/** A whole stream whose usage never comes is counted as it passes. */
const counting =
  (ask: Ask, ended: 'whole' | 'early'): Way['go'] =>
  async (place) => {
    const whole = { prompt: 'count this', stream: true, ...ask }
    return countedCharge(whole, await (await place.ask(whole)).text(), ended)
  }

/** An answer that breaks off is a broken connection for the client too. */
const breaking =
  (ask: Ask): Way['go'] =>
  async ({ ask: put }) => {
    const told = await put(ask)
      .then((response) => response.text())
      .catch(() => null)
    if (told !== null) throw new Error('the client was told that the answer was whole')
    return null
  }

const statuses = (statuses: readonly number[], charged: Charged): readonly Way[] =>
  statuses.map((status) => ({
    name: `the provider answers ${status}`,
    go: asking({ sim: { fault: `status-${status}` } }),
    ends: completed(status, charged),
  }))

const TIMES = providerYaml({ headersTimeoutMs: 2_000, idleTimeoutMs: 2_000, connectTimeoutMs: 2_000 })
const policies = { 'budget.yaml': AMPLE_BUDGET, 'provider.yaml': TIMES }

/** The provider's whole answer went to the client. */
const whole: Desk = {
  name: 'a provider that answers',
  settings: { policies: { 'budget.yaml': AMPLE_BUDGET } },
  ways: [
    { name: 'a plain answer', go: asking({}), ends: completed(200, 'bill') },
    { name: 'a stream', go: asking({ stream: true }), ends: completed(200, 'bill') },
    {
      name: 'a compressed stream',
      go: asking({ stream: true, sim: { encoding: 'gzip' } }),
      ends: completed(200, 'bill'),
    },
    ...statuses([400, 401, 403, 404, 409, 422, 429, 500, 503, 529], 'nothing'),
    ...statuses([408, 504, 520, 524], 'bound'),
    { name: 'a plain answer without usage', go: asking({ sim: { fault: 'no-usage' } }), ends: completed(200, 'bound') },
    { name: 'a senseless usage', go: asking({ sim: { fault: 'malformed-usage' } }), ends: completed(200, 'bound') },
    { name: 'JSON that is none', go: asking({ sim: { fault: 'truncated-json' } }), ends: completed(200, 'bound') },
    { name: 'a page of something in between', go: asking({ sim: { fault: 'html' } }), ends: completed(200, 'bound') },
    {
      name: 'a stream without its usage',
      go: counting({ sim: { fault: 'no-usage' } }, 'whole'),
      ends: completed(200, 'estimate'),
    },
    {
      name: 'a stream that ends with an error',
      go: counting({ sim: { fault: 'error-event' } }, 'early'),
      ends: completed(200, 'estimate'),
    },
    {
      name: 'a stream that stops as if it were whole',
      go: counting({ sim: { fault: 'end-mid-stream' } }, 'early'),
      ends: completed(200, 'estimate'),
    },
    {
      name: 'a free endpoint',
      go: ({ sidecar }) => fetch(`${sidecar.url}/v1/models`),
      ends: completed(200, 'nothing'),
    },
    // The last one: from then on requests of its class are bounded otherwise.
    {
      name: 'more output than the limit that the provider was told: charged in full, above the bound',
      go: asking({ body: { max_completion_tokens: 500 }, sim: { fault: 'overrun' } }),
      ends: completed(200, 'bill'),
    },
  ],
}

/** The provider broke off or never answered. */
const broken: Desk = {
  name: 'a provider that fails',
  settings: { policies },
  ways: [
    {
      name: 'no answer in time',
      go: asking({ sim: { fault: 'hang' } }),
      ends: failed('acc_upstream_timeout', 504, 'bound'),
    },
    {
      name: 'a connection that breaks before the answer',
      go: breaking({ sim: { fault: 'reset-before-headers' } }),
      ends: failed('acc_upstream_cut', null, 'bound'),
    },
    {
      name: 'half of a plain answer',
      go: breaking({ sim: { fault: 'cut-mid-body' } }),
      ends: failed('acc_upstream_cut', 200, 'bound'),
    },
    {
      name: 'half of a plain answer, then silence',
      go: breaking({ sim: { fault: 'stall-mid-body' } }),
      ends: failed('acc_upstream_timeout', 200, 'bound'),
    },
    {
      name: 'half of a stream',
      go: breaking({ stream: true, sim: { fault: 'cut-mid-stream' } }),
      ends: failed('acc_upstream_cut', 200, 'bound'),
    },
    {
      name: 'half of a stream, then a reset',
      go: breaking({ stream: true, sim: { fault: 'reset-mid-stream' } }),
      ends: failed('acc_upstream_cut', 200, 'bound'),
    },
    {
      name: 'half of a stream, then silence',
      go: breaking({ stream: true, sim: { fault: 'stall-mid-stream' } }),
      ends: failed('acc_upstream_timeout', 200, 'bound'),
    },
    {
      name: 'half of a stream whose chunks told the usage until then: its output is not known',
      go: breaking({ stream: true, sim: { fault: 'cut-mid-stream', 'usage-in': 'every-chunk' } }),
      ends: failed('acc_upstream_cut', 200, 'estimate'),
    },
  ],
}

const deaf: Desk = {
  name: 'a provider that takes no connection',
  settings: { policies },
  upstream: async (t) => `http://127.0.0.1:${await deafPortFor(t)}/v1`,
  ways: [{ name: 'no connection in time', go: asking({}), ends: failed('acc_upstream_timeout', 504, 'nothing') }],
}

const dead: Desk = {
  name: 'a provider that is not there',
  settings: { policies },
  upstream: async () => `http://127.0.0.1:${await closedPort()}/v1`,
  ways: [{ name: 'nobody listens', go: asking({}), ends: failed('acc_upstream_unreachable', 502, 'nothing') }],
}

/** A port that was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}

const reply = (text: string): string => encodeURIComponent(text)

/** A finding in the answer. */
const guarded: Desk = {
  name: 'a security policy for answers',
  settings: { policies: { 'budget.yaml': AMPLE_BUDGET, 'security.yaml': securityYaml({ response: 'block' }) } },
  ways: [
    {
      name: 'a secret in a plain answer',
      go: asking({ sim: { reply: reply(`the key is ${SECRET}, keep it`) } }),
      ends: [{ outcome: 'cut', code: 'acc_security_blocked', clientStatus: 403, charged: 'bill' }],
    },
    {
      name: 'a secret in a stream',
      go: async ({ ask }: Place) => {
        const text = await (
          await ask({ stream: true, sim: { reply: reply(`the key is ${SECRET} ${'. '.repeat(99)}`) } })
        ).text()
        if (text.includes(SECRET.slice(4)) || !text.includes('acc_security_blocked')) throw new Error(text)
        return null
      },
      ends: [{ outcome: 'cut', code: 'acc_security_blocked', clientStatus: 200, charged: 'estimate' }],
    },
    {
      name: 'an answer that nobody can read',
      go: asking({ sim: { fault: 'html' } }),
      ends: [{ outcome: 'cut', code: 'acc_inspection_unavailable', clientStatus: 503, charged: 'bound' }],
    },
  ],
}

/** Everything that a provider answers, or does not. */
export const ANSWERED: readonly Desk[] = [whole, broken, deaf, dead, guarded]
