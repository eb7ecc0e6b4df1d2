import t from 'tap'
import { piiDetector } from '../index.ts'
import { readableFiles } from './support/files.ts'

const FILES = 2_500
/** Tests of validators hold valid numbers on purpose. */
const VALIDATORS = /\b(?:iban|credit-?card|luhn)\b|zod.src.*.tests\b/i
/** Addresses of authors are what they are. */
const TRUE_ONES = new Set(['email', 'domain', 'ip-address'])

t.test('sources, documentation and lock files of the dependencies hold no number of a person', async (t) => {
  const counts: Record<string, number> = {}
  let [files, alarms] = [0, 0]
  for (const { file, text } of readableFiles(FILES)) {
    files++
    for (const { ruleId, severity, start } of piiDetector.detect(text, { source: 'tool_result' })) {
      if (TRUE_ONES.has(ruleId) || VALIDATORS.test(file)) continue
      counts[ruleId] = (counts[ruleId] ?? 0) + 1
      if (severity !== 'low') t.fail(`${ruleId} in ${file} at ${start}`)
      else if (!piiDetector.rulesOff.includes(ruleId)) alarms++
    }
  }
  t.comment(`${files} files: ${JSON.stringify(counts)}`)
  t.ok(files > 500, 'there was something to look at')
  t.ok(alarms <= files / 50, 'and few phone numbers, streets and postcodes')
})
