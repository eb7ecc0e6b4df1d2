import type { Principal } from '@agentcostcontrol/contract'
import type { SidecarConfig, Trustable } from './config.ts'
import { type Denial, denial } from './exchange.ts'

/** Who sends a request, by its headers alone: known as soon as they are there, whatever becomes of the body. */
export type ReadPrincipal = (headers: readonly string[]) => Principal | Denial

const LABEL = /^[\x20-\x7e\x80-\xff]{1,253}$/

/** The sidecar's own configuration first; a header only where the configuration leaves that part open and allows it. */
export function createReadPrincipal(config: Pick<SidecarConfig, 'identity' | 'trustHeaders'>): ReadPrincipal {
  const { identity, trustHeaders } = config
  const fixed: Principal = Object.freeze({ ...identity, task: null, tags: Object.freeze({ ...identity.tags }) })
  return (headers) => {
    let own: Map<string, string> | null = null
    for (let at = 0; at + 1 < headers.length; at += 2) {
      const name = headers[at] ?? ''
      if (name.length < 8 || (name[0] !== 'x' && name[0] !== 'X')) continue
      const lower = name.toLowerCase()
      if (!lower.startsWith('x-acc-')) continue
      own ??= new Map()
      if (own.has(lower)) return denial('acc_header_invalid', `The header ${lower.slice(0, 40)} stands twice.`)
      own.set(lower, headers[at + 1] ?? '')
    }
    return own === null ? fixed : withHeaders(fixed, own, trustHeaders)
  }
}

function withHeaders(
  fixed: Principal,
  own: ReadonlyMap<string, string>,
  trusted: ReadonlySet<Trustable>,
): Principal | Denial {
  const named: { agent?: string; workflow?: string; session?: string; task?: string } = {}
  for (const part of ['agent', 'workflow', 'session', 'task'] as const) {
    const value = own.get(`x-acc-${part}`)
    if (value === undefined || !trusted.has(part) || fixed[part] !== null) continue
    if (!LABEL.test(value))
      return denial('acc_header_invalid', `The header x-acc-${part} must have 1 to 253 printable characters.`)
    named[part] = value
  }
  const tags = trusted.has('tags') ? readTags(own.get('x-acc-tags') ?? '') : {}
  if (tags === null)
    return denial('acc_header_invalid', 'The header x-acc-tags must be up to 32 pairs like team=search,tier=gold.')
  return { ...fixed, ...named, tags: { ...tags, ...fixed.tags } }
}

function readTags(text: string): Readonly<Record<string, string>> | null {
  const entries = text
    .split(',')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '')
  if (entries.length > 32 || text.length > 4_096) return null
  const tags: [string, string][] = []
  for (const entry of entries) {
    const equals = entry.indexOf('=')
    if (equals < 1) return null
    tags.push([entry.slice(0, equals).trim(), entry.slice(equals + 1).trim()])
  }
  return Object.fromEntries(tags)
}
