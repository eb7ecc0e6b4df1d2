/**
 * `npm run eval:detectors`: what the detectors find in labelled texts and whole exchanges, by the code that a sidecar
 * runs, with the starter policy. docs/detection.md holds its figures.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { DETECTORS } from '@agentcostcontrol/detectors'
import { groupsOf, measure, type SetFigures, toTable } from './detectors/figures.ts'
import { createJudge, type Judge } from './detectors/judge.ts'
import { type PiiFigures, piiFigures } from './detectors/pii.ts'
import { readPolicy } from './detectors/policy.ts'
import { type EvalRow, type ExchangeRow, readEvalRows, SOURCES, type TextRow } from './detectors/rows.ts'

const USAGE = `npm run eval:detectors -- --data FILE [options]
  --data FILE      JSON lines, plain or gzip; may be given again
  --json OUT       the figures as JSON
  --policy FOLDER  policy folder (policies/starter)
`

const STARTER = fileURLToPath(new URL('../policies/starter', import.meta.url))

async function evaluate(rows: readonly EvalRow[], judge: Judge) {
  const sets: SetFigures[] = []
  const texts = rows.filter((row): row is TextRow => row.kind === 'text')
  for (const group of groupsOf(texts, ({ role }) => role)) {
    const source = SOURCES[group.role] ?? 'user'
    sets.push(
      await measure(
        group,
        ({ text }) => text.length,
        ({ text }) => judge.text({ source, path: ['text'], text }),
      ),
    )
  }
  const exchanges = rows.filter((row): row is ExchangeRow => row.kind === 'exchange')
  for (const group of groupsOf(exchanges, () => 'exchange')) {
    sets.push(await measure(group, charsOf, (row, pass) => judge.exchange(row, `${row.where} ${pass}`)))
  }
  const pii = evaluatePii(rows)
  return { sets, ...(pii.length > 0 ? { pii } : {}) }
}

const charsOf = ({ messages, tools, response }: ExchangeRow): number =>
  JSON.stringify([messages, tools, response]).length

/** By the detector itself, with every type on, whichever of them the policy wants. */
function evaluatePii(rows: readonly EvalRow[]): readonly PiiFigures[] {
  const pii = DETECTORS.find(({ id }) => id === 'pii')
  if (!pii) throw new Error('there is no detector pii')
  const judged = rows.flatMap((row) =>
    row.kind === 'pii' ? [{ row, found: pii.detect(row.text, { source: 'user' }) }] : [],
  )
  return piiFigures(judged)
}

const share = (value: number | null): string => (value === null ? '-' : `${(100 * value).toFixed(1)} %`)

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: 'string', multiple: true, default: [] },
      json: { type: 'string' },
      policy: { type: 'string', default: STARTER },
    },
  })
  if (values.data.length === 0) {
    process.stderr.write(USAGE)
    process.exitCode = 2
    return
  }
  const rows = values.data.flatMap(readEvalRows)
  const figures = await evaluate(rows, createJudge(await readPolicy(values.policy)))
  if (figures.sets.length > 0) process.stdout.write(`${toTable(figures.sets)}\n`)
  for (const { type, precision, recall, spans } of figures.pii ?? []) {
    process.stdout.write(`${type}: precision ${share(precision)}, recall ${share(recall)} of ${spans}\n`)
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`)
}

await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})
