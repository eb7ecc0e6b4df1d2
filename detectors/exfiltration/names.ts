/** Host names that carry data in their labels. */

import { decodeBase32, readingOf } from './readable.ts'
import type { Seen } from './rules.ts'

const LABEL_CHARS_MIN = 8
/** Labels together, below the domain: less is a name. */
const DATA_CHARS_MIN = 24
const OPAQUE_LABEL_CHARS_MIN = 28
const OPAQUE_CHARS_MIN = 90

/** Under these, labels are made by machines: load balancers, certificates, hashes of content, keys of onions. */
const MACHINE =
  /\.(?:amazonaws\.com|aws|onion|dweb\.link|ipfs\.io|ipns\.io|ipfs\.tech|vscode-cdn\.net|azure\.com|windows\.net|azureedge\.net|azurewebsites\.net|cloudfront\.net|googleusercontent\.com|webcontainer\.io|webcontainer-api\.io|cloudapp\.net|svc\.cluster\.local|in-addr\.arpa|ip6\.arpa|i2p|b32\.i2p)$/

/** What a host in lower case carries; its case is needed for base64, so `written` is as it stands. */
export function carriedByName(written: string): Seen | null {
  if (written.length < DATA_CHARS_MIN + 4) return null
  const host = written.toLowerCase()
  if (MACHINE.test(host)) return null
  const labels = written
    .split('.')
    .slice(0, -2)
    .filter((label) => label.length >= LABEL_CHARS_MIN)
  const joined = labels.join('')
  if (joined.length < DATA_CHARS_MIN) return null
  if (readsAsText(joined) || labels.some((label) => label.length >= DATA_CHARS_MIN && readsAsText(label)))
    return { rule: 'dns-data', severity: 'high' }
  const opaque = labels.filter((label) => label.length >= OPAQUE_LABEL_CHARS_MIN && isOpaque(label))
  return opaque.join('').length >= OPAQUE_CHARS_MIN ? { rule: 'dns-data', severity: 'medium' } : null
}

const HEX = /^(?:[0-9a-f]{2})+$/i
const BASE32 = /^(?:[a-z2-7]+|[A-Z2-7]+)$/
const BASE64 = /^[\w-]+$/

function readsAsText(data: string): boolean {
  if (HEX.test(data)) return readingOf(Buffer.from(data, 'hex')) !== null
  if (BASE32.test(data)) return /[2-7]/.test(data) && readingOf(decodeBase32(data)) !== null
  return (
    BASE64.test(data) && /[A-Z]/.test(data) && /[a-z]/.test(data) && readingOf(Buffer.from(data, 'base64')) !== null
  )
}

const isOpaque = (label: string): boolean =>
  /^[a-z0-9]+$/i.test(label) && (label.match(/\d/g)?.length ?? 0) >= 4 && (label.match(/[a-z]/gi)?.length ?? 0) >= 8
