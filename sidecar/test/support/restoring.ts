import { ruleName } from '@agentcostcontrol/detectors'
import { createPlaceholders } from '../../inspect/restore/placeholders.ts'
import { RedactedValues } from '../../inspect/restore/redacted-values.ts'
import { inspectionThat } from './detectors.ts'

const placeholderOf = createPlaceholders(Buffer.alloc(32, 1))('agent')
const RULE = { detectorId: 'secrets', ruleId: 'key' }

/** Values of a request. @param tools those whose calls get them back */
export function redacted(texts: readonly string[], tools: readonly string[] = []) {
  const { security } = inspectionThat('redact')
  const byDetector = new Map(
    [...security.byDetector].map(([id, settings]) => [id, { ...settings, restore: { tools: new Set(tools) } }]),
  )
  const values = new RedactedValues({ ...security, byDetector })
  const noting = values.noting(placeholderOf)
  return { values, placeholders: texts.map((text) => noting(RULE, text)) }
}

/** What the request of another agent has in place of a value. */
export const foreign = (text: string): string => createPlaceholders(Buffer.alloc(32, 2))('other')(RULE, text)

/** In place of no value at all. */
export const nameless = ruleName(RULE, '')
