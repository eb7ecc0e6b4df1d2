import type { ChannelAnswer, ChannelAsk } from '@agentcostcontrol/contract'
import t, { type Test } from 'tap'
import { bundleSigner } from '../../test/support/bundles.ts'
import { createChannel } from '../control/channel.ts'
import { FakeTime } from './support/fake-time.ts'
import { silentLog } from './support/silent-log.ts'

const NOTHING: ChannelAnswer = { policy: null, leases: null, commands: null, threatIntel: null }
const BUNDLE = bundleSigner().bundle({})

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** A channel whose polls a test answers, one by one. */
function begun(t: Test, { staleAfterMs = 86_400_000 } = {}) {
  const time = new FakeTime()
  const asks: ChannelAsk[] = []
  const polls: PromiseWithResolvers<ChannelAnswer>[] = []
  const policies = {
    generation: 0,
    refused: null,
    taken: 0,
    take: async () => {
      policies.taken++
      policies.generation++
    },
    confirm: () => {},
  }
  const leases = {
    version: 0,
    take: ({ version }: NonNullable<ChannelAnswer['leases']>) => {
      leases.version = version
    },
  }
  const commands = {
    version: 0,
    take: async ({ version }: NonNullable<ChannelAnswer['commands']>) => {
      commands.version = version
    },
  }
  const intel = {
    version: null as string | null,
    take: ({ version }: NonNullable<ChannelAnswer['threatIntel']>) => {
      intel.version = version
    },
  }
  const channel = createChannel({
    client: {
      poll: (ask, signal) => {
        asks.push(ask)
        const poll = Promise.withResolvers<ChannelAnswer>()
        polls.push(poll)
        signal.addEventListener('abort', () => poll.reject(new Error('aborted')), { once: true })
        return poll.promise
      },
    },
    policies,
    leases,
    commands,
    intel,
    staleAfterMs,
    onAnswer: () => {},
    clock: time,
    timers: time,
    random: () => 1,
    log: silentLog,
  })
  t.teardown(channel.close)
  const answer = async (said: ChannelAnswer | Error): Promise<void> => {
    const poll = polls.at(-1)
    if (said instanceof Error) poll?.reject(said)
    else poll?.resolve(said)
    await settled()
  }
  return { time, asks, policies, leases, commands, channel, answer }
}

t.test('it asks for a word at once, and from then on waits for news, one poll at a time', async (t) => {
  const { asks, answer, time } = begun(t)
  t.match(asks, [{ versions: { policy: 0, leases: 0 }, refused: null, waitMs: 0 }])
  await answer(NOTHING)
  t.equal(asks.length, 2)
  t.equal(asks[1]?.waitMs, 25_000)
  time.pass(25_000)
  await answer(NOTHING)
  t.equal(asks.length, 3)
})

t.test('what comes is followed, recalls first, and acknowledged by the next poll at once', async (t) => {
  const { asks, answer, policies, leases } = begun(t)
  await answer({
    policy: BUNDLE,
    leases: { version: 7, recalls: [] },
    commands: { version: 9, agents: [], suppressions: [], toolPins: [] },
    threatIntel: { version: 'a'.repeat(64), bytes: 1, builtAt: null },
  })
  t.equal(leases.version, 7)
  t.equal(policies.taken, 1)
  t.match(asks.at(-1), { versions: { policy: 1, leases: 7, commands: 9, threatIntel: 'a'.repeat(64) } })
})

t.test('without an answer it is quick at first and slower each time, and one word ends that', async (t) => {
  const { asks, answer, time, channel } = begun(t)
  const pauses: number[] = []
  for (let failure = 1; failure <= 8; failure++) {
    const asked = asks.length
    await answer(new Error('ECONNREFUSED'))
    let pause = 0
    while (asks.length === asked) {
      time.pass(50)
      pause += 50
      await settled()
    }
    pauses.push(pause)
    t.equal(asks.at(-1)?.waitMs, 0, 'a control plane that may be gone is not waited for')
  }
  t.same(pauses, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000])
  await answer(NOTHING)
  t.equal(asks.at(-1)?.waitMs, 25_000)
  t.same(channel.stats(), { polls: 1, failures: 8 })
})

t.test('a poll that ends before its time, and what changes nothing, are not asked for without a pause', async (t) => {
  const { asks, answer, time, policies, channel } = begun(t)
  await answer(NOTHING)
  time.pass(1_000)
  await answer(NOTHING)
  t.equal(asks.length, 2, 'another process may poll under this name')
  time.pass(100)
  await settled()
  t.equal(asks.length, 3)
  policies.take = async () => {}
  await answer({ ...NOTHING, policy: BUNDLE })
  t.equal(asks.length, 3, 'the same would come again')
  t.equal(channel.stats().failures, 2)
})

t.test('a poll never waits so long that its own silence would count as one', async (t) => {
  const { asks, answer } = begun(t, { staleAfterMs: 4_000 })
  await answer(NOTHING)
  t.equal(asks.at(-1)?.waitMs, 2_000)
})

t.test('closing ends a poll and a pause', async (t) => {
  const polling = begun(t)
  await polling.channel.close()
  const pausing = begun(t)
  await pausing.answer(new Error('ECONNREFUSED'))
  await pausing.channel.close()
  t.equal(pausing.asks.length, 1)
})
