/**
 * Searches deeper than the test does: `npm run model -- --depth 20 --states 5000000 [--instance NAME] [--without RULE]`.
 * Ends with 1 if a violation was found.
 */
import { parseArgs } from 'node:util'
import { INSTANCES } from './instances.ts'
import { SHIPPED } from './rules.ts'
import { search } from './search.ts'
import { told } from './told.ts'

const { values } = parseArgs({
  options: {
    depth: { type: 'string', default: '20' },
    states: { type: 'string', default: '3000000' },
    instance: { type: 'string' },
    without: { type: 'string' },
  },
})
const bounds = { depth: Number(values.depth), states: Number(values.states) }
const off = values.without === undefined ? {} : { [values.without]: false }
if (values.without !== undefined && !(values.without in SHIPPED))
  throw new Error(`--without ${values.without}: no such rule; there are ${Object.keys(SHIPPED).join(', ')}`)
const chosen = Object.entries(INSTANCES).filter(([name]) => values.instance === undefined || name === values.instance)
if (chosen.length === 0)
  throw new Error(`--instance ${values.instance}: no such instance; there are ${Object.keys(INSTANCES).join(', ')}`)
for (const [name, instance] of chosen) {
  const startedMs = performance.now()
  const found = search(instance, { ...SHIPPED, ...off }, bounds)
  process.stdout.write(`${name}: ${told(found)} (${Math.round(performance.now() - startedMs)} ms)\n`)
  if (found.violation) process.exitCode = 1
}
