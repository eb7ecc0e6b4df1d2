/**
 * `npm run eval:peers`: labelled texts through other detectors from npm, in the harness of `npm run eval:detectors`.
 * Alerted / blocked, and µs of CPU for each KB; docs/detection.md holds its figures.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { groupsOf, measure, percent, type SetFigures, tableRow } from './detectors/figures.ts'
import { createJudge, type Verdict } from './detectors/judge.ts'
import { loadPeers } from './detectors/peers.ts'
import { readPolicy } from './detectors/policy.ts'
import { readEvalRows, SOURCES, type TextRow } from './detectors/rows.ts'

const USAGE = `npm run eval:peers -- --data FILE
  --data FILE   JSON lines of { set, label, role, text }, plain or gzip; may be given again
`

const STARTER = fileURLToPath(new URL('../policies/starter', import.meta.url))

/** Some of the peers take a thousand times as long as others. */
const PASSES = { min: 1, max: 20, us: 100_000 }
const WARM_UP_ROWS = 200

/** Something that judges a text. */
interface Contestant {
  readonly name: string
  judge(row: TextRow): Promise<Verdict>
}

async function contestants(): Promise<readonly Contestant[]> {
  const judge = createJudge(await readPolicy(STARTER))
  const ours: Contestant = {
    name: 'ours',
    judge: ({ role, text }) => judge.text({ source: SOURCES[role] ?? 'user', path: ['text'], text }),
  }
  const peers = (await loadPeers()).map(
    (peer): Contestant => ({
      name: peer.name,
      judge: async ({ text }) => ({ found: [], ...(await peer.judge(text)) }),
    }),
  )
  return [ours, ...peers]
}

async function compare(rows: readonly TextRow[]): Promise<void> {
  const all = await contestants()
  // So that the first set is not charged with what each compiles and loads.
  for (const { judge } of all) for (const row of rows.slice(0, WARM_UP_ROWS)) await judge(row)
  const say = (cells: readonly string[]): void => void process.stdout.write(`${tableRow(cells)}\n`)
  say(['set', 'texts', 'rows', ...all.map(({ name }) => name)])
  say(Array(3 + all.length).fill('---'))
  for (const group of groupsOf(rows, ({ role }) => role)) {
    const figures: SetFigures[] = []
    for (const { judge } of all) {
      figures.push(
        await measure(
          group,
          ({ text }) => text.length,
          (row) => judge(row),
          PASSES,
        ),
      )
    }
    say([
      group.set,
      group.label === 1 ? 'attack' : 'honest',
      String(group.rows.length),
      ...figures.map(
        ({ alerted, blocked, usPerKb }) => `${percent(alerted)} / ${percent(blocked)}, ${usPerKb.toFixed(0)}`,
      ),
    ])
  }
}

const { values } = parseArgs({ options: { data: { type: 'string', multiple: true, default: [] } } })
if (values.data.length === 0) {
  process.stderr.write(USAGE)
  process.exitCode = 2
} else {
  const rows = values.data.flatMap(readEvalRows)
  await compare(rows.filter((row): row is TextRow => row.kind === 'text'))
  // Something of hai-guardrails waits for its threads for ever.
  process.exit()
}
