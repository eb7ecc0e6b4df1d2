/**
 * Headers as lists of names and values in turn: order, case and repetition stay as they were sent.
 * Hop-by-hop fields (RFC 9110 §7.6.1) belong to one connection and are never passed on; `x-acc-*` is ours.
 */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
/** Made anew for the provider's connection and the bytes that are sent on it. */
const REQUEST_OWN = new Set(['host', 'content-length', 'expect'])
const ORDINARY_CONNECTION = /^(?:keep-alive|close)$/i

/** The value of a header, or `null`; the first one where it stands more than once. */
export function headerValue(headers: readonly string[], name: string): string | null {
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const key = headers[at]
    if (key !== undefined && key.length === name.length && key.toLowerCase() === name) return headers[at + 1] ?? null
  }
  return null
}

/** Fields that `Connection` headers name as hop-by-hop besides the standard ones. */
function namedByConnection(headers: readonly string[]): ReadonlySet<string> | null {
  let named: Set<string> | null = null
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const key = headers[at] ?? ''
    if (key.length !== 10 || key.toLowerCase() !== 'connection') continue
    const value = headers[at + 1] ?? ''
    if (ORDINARY_CONNECTION.test(value)) continue
    named ??= new Set()
    for (const name of value.split(',')) named.add(name.trim().toLowerCase())
  }
  return named
}

/** The request's headers as they go to the provider; host and length are set by the sender. */
export function upstreamRequestHeaders(headers: readonly string[]): string[] {
  const named = namedByConnection(headers)
  const out: string[] = []
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || REQUEST_OWN.has(lower) || lower.startsWith('x-acc-') || named?.has(lower)) continue
    out.push(name, headers[at + 1] ?? '')
  }
  return out
}

/**
 * The provider's headers as they go to the client. `contentLength`: `keep` it, leave it out because the body changes as
 * it passes, or the length of the body that takes the place of the provider's.
 */
export function clientResponseHeaders(headers: readonly string[], contentLength: 'keep' | 'drop' | number): string[] {
  const named = namedByConnection(headers)
  const out: string[] = []
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || lower.startsWith('x-acc-') || named?.has(lower)) continue
    if (lower !== 'content-length' || contentLength === 'keep') out.push(name, headers[at + 1] ?? '')
    else if (contentLength !== 'drop') out.push(name, String(contentLength))
  }
  return out
}
