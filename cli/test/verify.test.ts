import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ask } from '../../control-plane/test/support/database.ts'
import { batchOf, INSTANCE, usageEvent } from '../../control-plane/test/support/events.ts'
import { clusterUrlOf, controlPlaneFor, enrol, sendEvents } from '../../test/support/control-plane.ts'
import { folderFor } from '../../test/support/scope.ts'
import { acc } from './support/acc.ts'

t.test('acc verify says whether Σ events = Σ sums, while it runs and when it does not', async (t) => {
  const data = folderFor(t)
  const dataDir = join(data, 'control-plane')
  mkdirSync(dataDir)
  const plane = await controlPlaneFor(t, { dataDir })
  const credential = await enrol(plane.url, plane.adminKey ?? '', INSTANCE)
  await sendEvents(plane.url, credential, batchOf([usageEvent(), usageEvent()]))
  const running = await acc(t, ['verify', '--data', data])
  t.match(running, {
    code: 0,
    stdout:
      /^events {3}2 requests, 666 tokens in, 0 out, 49950 nano-USD$[\s\S]*^ledger {3}1 counters: 49950 nano-USD charged by events, 49950 settled[\s\S]*They are equal\./m,
  })

  await ask(clusterUrlOf(plane), 'UPDATE acc.rollup_hour SET cost_nano = cost_nano + 1')
  const wrong = await acc(t, ['verify', '--data', data])
  t.match(wrong, { code: 1, stdout: /^hours .* 49951 nano-USD$[\s\S]*NOT EQUAL/m }, 'one nano is seen')

  await ask(clusterUrlOf(plane), 'UPDATE acc.rollup_hour SET cost_nano = cost_nano - 1')
  await ask(clusterUrlOf(plane), 'UPDATE acc.counters SET settled_nano = settled_nano - 1')
  const booked = await acc(t, ['verify', '--data', data])
  t.match(booked, { code: 1, stdout: /49949 by counters, 1 wrong$[\s\S]*NOT EQUAL/m }, 'and so in the ledger')

  t.equal(await plane.stop(), 0)
  const stopped = await acc(t, ['verify', '--data', data, '--json'])
  t.equal(stopped.code, 1)
  t.match(JSON.parse(stopped.stdout), { ok: false, totals: [{ of: 'events', requests: '2' }] })
  const never = await acc(t, ['verify', '--data', folderFor(t)])
  t.match(never, { code: 1, stderr: /no control plane has run in/ })
})
