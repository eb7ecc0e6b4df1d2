/**
 * Trains the model of prompt-injection, jailbreak and tool-poisoning: docs/detection.md is its data card. Deterministic:
 * the same texts give the same weights.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { promptInjectionDetector } from '../prompt-injection/detector.ts'
import { readCorpus, setOf } from './corpus.ts'
import { crossValidate, type LeftOut } from './cross-validate.ts'
import { Fit, type FitOptions } from './fit.ts'
import { createRandom } from './random.ts'
import { toModel, toSource } from './table.ts'

const USAGE = `node detectors/training/train.ts --data FILE [options]
  --data FILE       labelled texts, JSON lines of { set, label, role, text }, plain or gzip
  --honest DIR      folder of honest texts; may be given again (node_modules of this checkout)
  --cross-validate  also train without each set in turn and say what of it is found
`

const inCheckout = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const WEIGHTS_FILE = inCheckout('detectors/words/weights.ts')
const OPTIONS = { featuresMax: 12_000, rounds: 5, epochs: 3 }

const fitOptions = (): FitOptions => ({ ...OPTIONS, random: createRandom(1) })
const say = (line: string): void => void process.stdout.write(`${line}\n`)

/** The least score that so small a share of the texts reaches. */
function threshold(scores: readonly number[], share: number): number {
  return scores.toSorted((a, b) => b - a)[Math.floor(scores.length * share)] ?? 1
}

/** What is alerted and blocked at the grades that are shipped, set by set. */
function report(results: readonly LeftOut[]): void {
  for (const [role, source] of [
    ['user', 'user'],
    ['tool', 'tool_result'],
  ] as const) {
    const ofRole = results.filter(({ row }) => row.role === role)
    const honest = ofRole.filter(({ row }) => row.label === 0 && row.set !== 'skills_md').map(({ score }) => score)
    const [alert, block] = [threshold(honest, 0.01), threshold(honest, 0.001)]
    const { medium = 1, high = 1 } = promptInjectionDetector.grades?.[source] ?? {}
    say(`${role}: of ${honest.length} honest texts 1 % reach ${alert.toFixed(3)}, 0.1 % reach ${block.toFixed(3)};`)
    say(`  shipped: alerted from ${medium}, blocked from ${high}`)
    for (const set of new Set(ofRole.map(({ row }) => setOf(row)))) {
      const scores = ofRole.filter(({ row }) => setOf(row) === set).map(({ score }) => score)
      const share = (least: number): string =>
        `${((100 * scores.filter((score) => score >= least).length) / scores.length).toFixed(1)} %`
      say(`  ${set}: ${scores.length} rows; alerted ${share(medium)}, blocked ${share(high)}`)
    }
  }
}

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    honest: { type: 'string', multiple: true, default: [inCheckout('node_modules')] },
    'cross-validate': { type: 'boolean', default: false },
  },
})
if (values.data === undefined) {
  process.stderr.write(USAGE)
  process.exitCode = 2
} else {
  const documents = readCorpus(values.data, values.honest)
  say(`${documents.length} texts, ${documents.reduce((sum, { words }) => sum + words, 0)} words`)
  const model = toModel(new Fit(documents, fitOptions()).run(), documents)
  writeFileSync(WEIGHTS_FILE, toSource(model))
  say(`${model.weights.filter((weight) => weight !== 0).length} features, version ${model.version}`)
  if (values['cross-validate']) report(crossValidate(documents, fitOptions, (fold) => say(`without ${fold}`)))
}
