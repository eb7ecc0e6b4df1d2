import { hash } from 'node:crypto'
import type { Finding, Segment } from '@agentcostcontrol/contract'
import type { CompiledDetectorPolicy } from '@agentcostcontrol/policy'

/** Whether a policy lets a finding be none. @param textHash the SHA-256 of the whole text, hex */
export function isAllowed(
  { start, end }: Finding,
  { text, tool }: Pick<Segment, 'text' | 'tool'>,
  { hashes, tools, hosts, hostsBelow }: CompiledDetectorPolicy['allow'],
  textHash: () => string,
): boolean {
  if (tool !== undefined && tools.has(tool)) return true
  if (hashes.size > 0 && (hashes.has(textHash()) || hashes.has(hash('sha256', text.slice(start, end))))) return true
  if (hosts.size === 0 && hostsBelow.length === 0) return false
  const host = hostIn(text.slice(start, end))
  return host !== null && (hosts.has(host) || hostsBelow.some((suffix) => host.endsWith(suffix)))
}

const AUTHORITY = /(?:^|\/\/)(?:[^\s/?#@]*@)?([a-z0-9-]+(?:\.[a-z0-9-]+)+)/i

/** The host that a matched text names first, in lower case. */
function hostIn(matched: string): string | null {
  const [, host] = AUTHORITY.exec(matched) ?? []
  return host?.toLowerCase() ?? null
}
