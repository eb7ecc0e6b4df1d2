import t from 'tap'
import { ApiError } from '../errors.ts'
import type { ListBytes } from '../threat-intel/tasks.ts'
import { BadList, createWorkshop } from '../threat-intel/workshop.ts'

const list = (text: string, over: Partial<ListBytes> = {}): ListBytes => ({
  name: 'test',
  format: 'plain',
  kind: 'block',
  bytes: new Uint8Array(Buffer.from(text)),
  ...over,
})

t.test('a task that ends its thread is an error, and the next one has another thread', async (t) => {
  const workshop = createWorkshop()
  const cut = list('', { bytes: new Uint8Array([0x1f, 0x8b, 8, 0]) })
  await t.rejects(workshop.build([cut], 0), /the list test that was stored is not taken: it is gzip that cannot/)
  const built = await workshop.build([list('evil.example')], 0)
  t.match(built, { entries: 2, lists: [{ name: 'test', counts: { entries: 1, kinds: { domain: 1 } } }] })
  await t.rejects(workshop.read(list('?'), 0), BadList)
  t.match(await workshop.read(list('evil.example'), 0), { textBytes: 12, counts: { entries: 1 } })
})

t.test('beyond a few that wait lists are refused, and indexes never are', async (t) => {
  const workshop = createWorkshop()
  const reads = await Promise.allSettled(Array.from({ length: 6 }, () => workshop.read(list('evil.example'), 0)))
  const refused = reads.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
  t.equal(refused.length, 2)
  for (const error of refused) t.match(error instanceof ApiError && error.code, 'acc_api_unavailable')
  const builds = await Promise.all(Array.from({ length: 6 }, () => workshop.build([list('evil.example')], 0)))
  t.equal(new Set(builds.map(({ version }) => version)).size, 1, 'the same lists are the same index')
})
