/** The ledger of a control plane as a sidecar hears it. */
import type { LeaseHello, LeaseSyncMessage } from '@agentcostcontrol/contract'
import { counterKey, HELLO_PAGE_LEASES, nanoUsd } from '@agentcostcontrol/contract'
import t from 'tap'
import { StaleHolderError } from '../budget/lease-source.ts'
import { LedgerTime } from '../budget/ledger-time.ts'
import { ControlPlaneError } from '../control/client.ts'
import { createLeaseClient, type LeaseCalls } from '../control/lease-client.ts'
import { FakeTime, MONDAY_NOON_MS } from './support/fake-time.ts'

const HOUR_MS = 3_600_000
const COUNTER = { budgetUid: 'Budget/b', subject: '*', periodId: 'total' }
const ZERO = nanoUsd(0n)
const ITEM = {
  counter: COUNTER,
  limit: ZERO,
  granted: ZERO,
  returned: ZERO,
  charged: ZERO,
  uncharged: ZERO,
  least: ZERO,
  need: ZERO,
  want: ZERO,
  close: false,
}
const HELLO = { instanceId: 'i', generation: 1, continuity: 'same', ledgerEpoch: 0, leases: [] } as const
const TERMS = {
  verdict: 'granted',
  available: '-7',
  spent: '0',
  ttlMs: 1,
  retryAfterMs: 1,
} as const

/** A client of a ledger whose clock goes an hour ahead and whose epoch is 3; a question takes 100 ms. */
function clientOf(over: Partial<LeaseCalls> = {}) {
  const clock = new FakeTime()
  const time = new LedgerTime(clock)
  const asked: LeaseSyncMessage[] = []
  const nowMs = (): number => {
    clock.pass(100)
    return clock.nowMs() + HOUR_MS
  }
  const calls: LeaseCalls = {
    leaseHello: async () => ({
      generation: 1,
      continuity: 'same',
      ledgerEpoch: 3,
      nowMs: nowMs(),
      leases: [{ counter: COUNTER, granted: '9'.repeat(19), returned: '1', settled: '2' }],
      periods: [],
    }),
    leaseSync: async (message) => {
      asked.push(message)
      return { ledgerEpoch: 3, nowMs: nowMs(), items: message.items.map(() => ({ ...TERMS, granted: '5' })) }
    },
    ...over,
  }
  return { clock, time, asked, client: createLeaseClient({ calls, clock, time }) }
}

t.test(
  'periods go by the clock of the ledger, counted from the question, whatever is done to this machine’s',
  async (t) => {
    const { clock, time, client } = clientOf()
    t.equal(time.nowMs(), MONDAY_NOON_MS, 'nobody was asked yet')
    await client.hello(HELLO)
    t.equal(time.nowMs(), clock.nowMs() + HOUR_MS + 100)
    clock.setWall(0)
    t.equal(time.nowMs(), MONDAY_NOON_MS + HOUR_MS + 200)
    await client.sync({ instanceId: 'i', generation: 1 }, [ITEM])
    t.equal(time.nowMs(), clock.nowMs() + HOUR_MS + 100, 'each answer tells it anew')
  },
)

t.test('a message carries the epoch of the last hello; figures above 64 bits end there', async (t) => {
  const { asked, client } = clientOf()
  t.match(await client.hello(HELLO), { leases: [{ granted: 2n ** 63n - 1n, returned: 1n, settled: 2n }] })
  t.match(await client.sync({ instanceId: 'i', generation: 1 }, [ITEM]), [
    { counter: COUNTER, granted: 5n, available: -7n },
  ])
  t.match(asked, [{ generation: 1, ledgerEpoch: 3 }])
})

t.test('a hello of very many leases goes in pages, and one that is not sound breaks the rest', async (t) => {
  const told: LeaseHello[] = []
  let broken: string | null | undefined
  const { client } = clientOf({
    leaseHello: async (hello) => {
      told.push(hello)
      const isBroken = hello.continuity === 'broken' || hello.page?.after === broken
      return {
        generation: hello.page?.through === null && isBroken ? 2 : 1,
        continuity: isBroken ? 'broken' : 'same',
        ledgerEpoch: 3,
        nowMs: 0,
        leases: hello.leases.slice(0, 1).map(({ counter }) => ({ counter, granted: '9', returned: '0', settled: '0' })),
        periods: [],
      }
    },
  })
  const amounts = { granted: nanoUsd(9n), returned: ZERO, charged: ZERO }
  const leases = Array.from({ length: 2 * HELLO_PAGE_LEASES + 5 }, (_, at) => {
    // The two at the cut are of one counter, of two generations.
    const subject = String(at === HELLO_PAGE_LEASES ? at - 1 : at).padStart(6, '0')
    const counter = { ...COUNTER, subject }
    return { counter, key: counterKey(counter), generation: at === HELLO_PAGE_LEASES ? 1 : 2, ...amounts }
  }).toReversed()
  const sizes = (): readonly number[] => told.map((hello) => hello.leases.length)
  const welcome = await client.hello({ ...HELLO, leases })
  t.same(sizes(), [HELLO_PAGE_LEASES + 1, HELLO_PAGE_LEASES, 4, 0])
  const [first, second, third, last] = told.map(({ page }) => page)
  t.equal(first?.after, null)
  t.same([second?.after, third?.after, last?.after], [first?.through, second?.through, third?.through])
  t.equal(last?.through, null)
  t.match(welcome, { generation: 1, continuity: 'same', leases: { length: 3 } }, 'with what each page was answered')
  told.length = 0
  broken = null
  t.match(await client.hello({ ...HELLO, leases }), { generation: 2, continuity: 'broken' })
  t.same(
    told.map(({ continuity }) => continuity),
    ['same', 'same', 'same', 'broken', 'broken', 'broken'],
    'it is said again twice',
  )
  told.length = 0
  await client.hello(HELLO)
  t.same([sizes(), told[0] && 'page' in told[0]], [[0], false])
})

t.test('a page tells of leases as they stand when it is sent, and none is sent once nobody waits', async (t) => {
  const lease = { counter: COUNTER, key: counterKey(COUNTER), generation: 1, granted: nanoUsd(9n), returned: ZERO }
  let charged = nanoUsd(1n)
  let settled = 1n
  const told: LeaseHello[] = []
  const { client } = clientOf({
    leaseHello: async (hello) => {
      told.push(hello)
      // While the first one is under way a request ends, and its event is booked.
      if (told.length === 1) {
        charged = nanoUsd(3n)
        settled = 3n
      }
      const isBroken = hello.leases.some((own) => BigInt(own.charged) < settled)
      return {
        generation: 1,
        continuity: isBroken ? 'broken' : 'same',
        ledgerEpoch: 3,
        nowMs: 0,
        leases: [],
        periods: [],
      }
    },
  })
  const now = () => [{ ...lease, charged }]
  t.match(await client.hello({ ...HELLO, leases: now() }, async () => now()), { continuity: 'same', generation: 1 })
  t.same(
    told.map((hello) => hello.leases.map((own) => own.charged)),
    [['1'], ['3'], []],
  )
  told.length = 0
  const late = async () => Promise.reject(new Error('late'))
  await t.rejects(client.hello({ ...HELLO, leases: now() }, late), /late/)
  t.equal(told.length, 1)
})

t.test('who is told that another holder is in force knows it; any other failure is none of the kind', async (t) => {
  const refusing = (status: number) =>
    clientOf({ leaseSync: () => Promise.reject(new ControlPlaneError('leases/sync', status)) }).client
  await t.rejects(refusing(409).sync({ instanceId: 'i', generation: 1 }, [ITEM]), StaleHolderError)
  await t.rejects(refusing(503).sync({ instanceId: 'i', generation: 1 }, [ITEM]), ControlPlaneError)
})

t.test('an answer to something else than was asked is none', async (t) => {
  const { client } = clientOf({ leaseSync: async () => ({ ledgerEpoch: 3, nowMs: 0, items: [] }) })
  await t.rejects(client.sync({ instanceId: 'i', generation: 1 }, [ITEM]), /something else/)
})
