import { type Ask, readUntil } from '../../support/ask.ts'
import { deafPortFor } from '../../support/deaf-port.ts'
import { AMPLE_BUDGET, providerYaml } from '../../support/sidecar.ts'
import { until } from '../../support/until.ts'
import { aborted, completed, type Desk, failed, type Place, type Way } from '../../support/ways-out.ts'
import { countedCharge } from './estimate.ts'

/** Leaves once the provider has the request. */
const beforeHeaders =
  (ask: Ask): Way['go'] =>
  async (place) => {
    const known = place.simulator.requests().length
    const leaving = new AbortController()
    const sent = place.ask({ ...ask, signal: leaving.signal }).catch(() => null)
    await until('the provider has it', () => (place.simulator.requests().length > known ? true : null))
    leaving.abort()
    await sent
    return null
  }

/** Leaves a stream once it has read what is looked for. */
const after =
  (ask: Ask, found: string | ((text: string) => boolean), charged: (seen: string) => bigint | null): Way['go'] =>
  async (place) => {
    const { text, leave } = await readUntil(await place.ask({ stream: true, ...ask }), found)
    await leave()
    return charged(text)
  }

/** The provider sends half of its chunks and then nothing: what was seen by then is what will ever be seen. */
const HALF = { prompt: 'half of it', sim: { fault: 'stall-mid-stream', 'output-tokens': 21 } }
/** 21 tokens are 23 chunks with their first and last: half of them. */
const halfSeen = (text: string): boolean => text.split('data: ').length - 1 >= 12

/** Leaves a stream of which it takes nothing, once the provider is not read any more either. */
const unread: Way['go'] = async ({ sidecar, ask }) => {
  // Log probabilities make much to send of few words: what was seen stays far below the bound.
  const body = { logprobs: true, top_logprobs: 20 }
  const response = await ask({ stream: true, body, sim: { 'output-tokens': 8_000 } })
  await until('the provider has to wait', async () =>
    (await sidecar.metric('acc_upstream_paused_answers')) === 1 ? true : null,
  )
  await response.body?.cancel()
  return null
}

const asked = { stream_options: { include_usage: true } }

const leaving: Desk = {
  name: 'a client that leaves, and is not waited for',
  settings: { policies: { 'budget.yaml': AMPLE_BUDGET } },
  ways: [
    { name: 'before the answer begins', go: beforeHeaders({ sim: { fault: 'hang' } }), ends: aborted('bound') },
    {
      name: 'in the middle of a stream that shows all its output: what was seen, and a tail',
      go: after(HALF, halfSeen, (seen) => countedCharge({ ...HALF, stream: true }, seen, 'early')),
      ends: aborted('estimate'),
    },
    {
      name: 'in the middle of a stream of a model that also thinks: the bound',
      go: after({ ...HALF, model: 'gpt-5-mini' }, halfSeen, () => null),
      ends: aborted('bound'),
    },
    {
      name: 'in the middle of a plain answer',
      go: beforeHeaders({ sim: { fault: 'stall-mid-body' } }),
      ends: aborted('bound'),
    },
    {
      name: 'in the middle of a stream that it never read from: the provider was ahead, so the bound',
      go: unread,
      ends: aborted('bound'),
    },
    {
      name: 'after it has read every delta and before the usage',
      go: after(
        { prompt: 'to the last delta', sim: { 'output-tokens': 4, 'chunk-delay-ms': 500 } },
        '"finish_reason":"stop"',
        (seen) => countedCharge({ prompt: 'to the last delta', stream: true }, seen, 'early'),
      ),
      ends: aborted('estimate'),
    },
    {
      name: 'after the usage and before the end mark',
      go: after({ body: asked, sim: { 'output-tokens': 4, 'chunk-delay-ms': 500 } }, '"completion_tokens"', () => null),
      ends: aborted('bill'),
    },
    {
      name: 'after the end mark',
      go: after({ sim: { 'output-tokens': 4 } }, '[DONE]', () => null),
      ends: completed(200, 'bill'),
    },
  ],
}

const connecting: Desk = {
  name: 'a client that leaves before there is a connection to the provider',
  settings: { policies: { 'budget.yaml': AMPLE_BUDGET } },
  upstream: async (t) => `http://127.0.0.1:${await deafPortFor(t)}/v1`,
  ways: [
    {
      name: 'nothing was sent, and nothing is charged',
      go: async ({ sidecar, ask }: Place) => {
        const leaving = new AbortController()
        const sent = ask({ signal: leaving.signal }).catch(() => null)
        await until('it waits for a connection', async () =>
          (await sidecar.metric('acc_upstream_queued_requests')) === 1 ? true : null,
        )
        leaving.abort()
        await sent
        return null
      },
      ends: aborted('nothing'),
    },
  ],
}

const DRAIN = { onClientAbort: 'drain' }
const drained: Desk = {
  name: 'a client that leaves, and whose answer is read to its end',
  settings: { policies: { 'budget.yaml': AMPLE_BUDGET, 'provider.yaml': providerYaml(DRAIN) } },
  ways: [
    {
      name: 'in the middle of a stream',
      go: after({ sim: { 'output-tokens': 100, 'chunk-delay-ms': 20 } }, halfSeen, () => null),
      ends: aborted('bill'),
    },
    {
      name: 'in the middle of a stream that it never read from',
      go: unread,
      ends: aborted('bill'),
    },
  ],
}

const TIMES = { headersTimeoutMs: 2_000, idleTimeoutMs: 2_000 }
const drainedInVain: Desk = {
  name: 'a client that leaves, and whose answer has no end',
  settings: { policies: { 'budget.yaml': AMPLE_BUDGET, 'provider.yaml': providerYaml({ ...DRAIN, ...TIMES }) } },
  ways: [
    {
      name: 'before an answer that never begins',
      go: beforeHeaders({ sim: { fault: 'hang' } }),
      ends: failed('acc_upstream_timeout', null, 'bound'),
    },
    {
      name: 'in the middle of a stream that breaks off later',
      go: after(HALF, halfSeen, () => null),
      ends: failed('acc_upstream_timeout', null, 'bound'),
    },
  ],
}

/** Every moment in which a client leaves. */
export const LEFT: readonly Desk[] = [leaving, connecting, drained, drainedInVain]
