import type { Found } from './search.ts'

/** What a search found, to be read. */
export function told({ states, depth, complete, violation }: Found): string {
  const searched = `${states} states, ${depth} steps deep${complete ? ', all there are' : ''}`
  if (violation === null) return `no violation in ${searched}`
  const steps = violation.trace.map((step, at) => `  ${String(at + 1).padStart(2)}. ${step}`)
  return [`${violation.invariant} is violated after ${depth} steps: ${violation.detail}`, ...steps].join('\n')
}
