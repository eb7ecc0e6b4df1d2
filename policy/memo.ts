/**
 * Remembers the answer by agent, for at most `max` agents; when full it forgets the one it learned first. The answer
 * for an agent is the same object as long as it is remembered.
 */
export function memoised<T>(max: number, compute: (agent: string | null) => T): (agent: string | null) => T {
  const known = new Map<string, { readonly value: T }>()
  const nameless = compute(null)
  return (agent) => {
    if (agent === null) return nameless
    const remembered = known.get(agent)
    if (remembered) return remembered.value
    const value = compute(agent)
    const [oldest] = known.size >= max ? known.keys() : []
    if (oldest !== undefined) known.delete(oldest)
    known.set(agent, { value })
    return value
  }
}
