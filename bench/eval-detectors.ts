/**
 * `npm run eval:detectors`: what the detectors find in labelled texts and whole exchanges, by the code that a sidecar
 * runs, with the starter policy. docs/detection.md holds its figures.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { groupsOf, measure, type SetFigures, toTable } from './detectors/figures.ts'
import { createJudge, type Judge } from './detectors/judge.ts'
import { type PiiFigures, type PiiFound, piiFigures } from './detectors/pii.ts'
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
    sets.push(await measure(group, charsOf, (row, pass) => judge.exchange(row, `${pass}-${exchanges.indexOf(row)}`)))
  }
  const pii = await evaluatePii(rows, judge)
  return { sets, ...(pii.length > 0 ? { pii } : {}) }
}

const charsOf = ({ messages, tools, response }: ExchangeRow): number =>
  JSON.stringify([messages, tools, response ?? null]).length

async function evaluatePii(rows: readonly EvalRow[], judge: Judge): Promise<readonly PiiFigures[]> {
  const judged = []
  for (const row of rows) {
    if (row.kind !== 'pii') continue
    const { found } = await judge.text({ source: 'user', path: ['text'], text: row.text })
    const pii = found.flatMap(({ detectorId, ruleId, span }): readonly PiiFound[] =>
      detectorId === 'pii' && span ? [{ ruleId, ...span }] : [],
    )
    judged.push({ row, found: pii })
  }
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
