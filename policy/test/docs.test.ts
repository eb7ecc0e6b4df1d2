import { readFileSync } from 'node:fs'
import { FINDING_ACTIONS, policyDocument, SEVERITIES } from '@agentcostcontrol/contract'
import t from 'tap'
import { createPriceBook, readRateCard } from '../index.ts'
import { file, problems } from './support/files.ts'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const text = read('docs/policy.md')

t.test('every example of docs/policy.md is a valid policy', async (t) => {
  const examples = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml = '']) => yaml)
  t.ok(examples.length >= 3)
  for (const yaml of examples) t.same(problems(file(yaml)), [])
})

t.test('docs/policy.md names every key of the schema, and every severity and action', async (t) => {
  const words = policyDocument.options.flatMap((option) => [
    option.shape.kind.value,
    ...Object.keys(option.shape.spec.shape),
  ])
  for (const word of [...words, ...SEVERITIES, ...FINDING_ACTIONS])
    t.match(text, new RegExp(`\`[^\`\n]*\\b${word}\\b[^\`\n]*\``), word)
})

t.test('docs/pricing.md counts the prices and providers of the shipped card', async (t) => {
  const { models } = readRateCard(read('seed/rate-card.json'))
  t.doesNotThrow(() => createPriceBook({ version: '1', sources: [], models }))
  const [, prices = '', providers = ''] = /holds ([\d ]+) prices of (\d+) providers/.exec(read('docs/pricing.md')) ?? []
  t.equal(Number(prices.replace(' ', '')), models.length)
  t.equal(Number(providers), new Set(models.map((model) => model.provider)).size)
})
