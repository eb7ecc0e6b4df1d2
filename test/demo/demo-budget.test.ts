import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { inCheckout } from '../support/paths.ts'
import { folderFor } from '../support/scope.ts'
import { type Fault, planFaults } from './budget/fault-plan.ts'
import type { DemoFigures } from './budget/report.ts'

const run = promisify(execFile)
const main = inCheckout('test/demo/budget/main.ts')
const SECONDS = 6
const LIMIT = 1_000_000_000

// Eight sidecars and two replicas, three times over, on a machine that may be small.
t.setTimeout(600_000)

for (const seed of [1, 2])
  t.test(
    `seed ${seed}: whatever is killed, nothing is overspent, lost or stuck, and plain designs overspend`,
    async (t) => {
      const file = join(folderFor(t), 'figures.json')
      const { stdout } = await run(process.execPath, [
        main,
        '--seconds',
        `${SECONDS}`,
        '--seed',
        `${seed}`,
        '--json',
        file,
      ])
      t.comment(stdout)
      const figures: DemoFigures = JSON.parse(readFileSync(file, 'utf8'))
      t.match(figures, {
        seed,
        seconds: SECONDS,
        limitNanoUsd: String(LIMIT),
        excessNanoUsd: '0',
        overspendNanoUsd: '0',
        lostNanoUsd: '0',
        stuckReservations: 0,
      })
      const { billedNanoUsd, settledNanoUsd, overchargedNanoUsd, strandedNanoUsd } = figures
      t.equal(
        BigInt(settledNanoUsd),
        BigInt(billedNanoUsd) + BigInt(overchargedNanoUsd),
        'settled is billed and overcharged',
      )
      t.ok(Number(strandedNanoUsd) < LIMIT / 100, `${strandedNanoUsd} are stranded`)
      t.ok(figures.served > 500 && figures.refused > 0, `${figures.served} served, ${figures.refused} refused`)
      for (const kind of new Set(planFaults(seed, SECONDS).map((fault): Fault => fault.kind)))
        t.ok(figures.faults[kind] > 0, `${kind}: ${figures.faults[kind]}`)
      t.equal(figures.baselines.length, 2)
      for (const { name, billedNanoUsd, overspendNanoUsd } of figures.baselines) {
        t.ok(BigInt(overspendNanoUsd) > 0n, `${name} overspends`)
        t.equal(BigInt(overspendNanoUsd), BigInt(billedNanoUsd) - BigInt(LIMIT))
      }
    },
  )

t.test('the same seed makes the same faults, another one others', async (t) => {
  t.same(planFaults(7, 30), planFaults(7, 30))
  t.notSame(planFaults(7, 30), planFaults(8, 30))
})

t.test('what is asked wrongly is answered with what is right', async (t) => {
  await t.rejects(run(process.execPath, [main, '--seconds', 'many']), {
    code: 2,
    stderr: /--seconds: expected a whole number/,
  })
  await t.rejects(run(process.execPath, [main, '--sed', '1']), { code: 2, stderr: /--sed/ })
  t.match((await run(process.execPath, [main, '--help'])).stdout, '--json FILE')
})
