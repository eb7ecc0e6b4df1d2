import type { Ecosystem } from './indicator.ts'

/** What a URL comes down to. */
export interface CanonicalUrl {
  /** Lower case, in punycode, without dots at its end; IPv4 in decimal, IPv6 in brackets. */
  readonly host: string
  /** `null` for those of HTTP and HTTPS: the scheme counts for nothing, so neither do they. */
  readonly port: number | null
  /** Host, port, path and query, by which URLs are compared; no slash at the end. */
  readonly key: string
  /** Whether it names something on its host. */
  readonly hasPath: boolean
}

/** Most characters of a URL that are looked at. */
export const URL_CHARS_MAX = 2_048

const SCHEMES = new Set(['http:', 'https:', 'ftp:'])
const DEFANGED_SCHEME = /^(?:h(?:xx|tt|XX)p(s?)|fxp)(?::|\[:\])?(?:\/\/|\[\/\/\]|\\\/\\\/)/i

/** Takes apart what people write so that nobody clicks on it: `hxxp`, `[.]`, `(dot)`, `[:]`. */
export const refang = (text: string): string =>
  text
    .replace(DEFANGED_SCHEME, 'http$1://')
    .replace(/[[({](?:\.|dot)[\])}]/gi, '.')
    .replace(/\[:\]/g, ':')

/**
 * Reads a URL as browsers do (WHATWG): case, default ports, dot segments, user and password, IDN, addresses in any
 * notation. Beyond that letters that are written by percent signs are letters, and the fragment goes.
 * @returns `null` for what is none, or of another scheme
 */
export function canonicalUrl(written: string): CanonicalUrl | null {
  const text = refang(written.trim().slice(0, URL_CHARS_MAX))
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  const url = URL.parse(withScheme)
  if (url === null || !SCHEMES.has(url.protocol)) return null
  const host = url.hostname.replace(/\.+$/, '')
  if (host === '') return null
  const port = url.port === '' || url.port === '80' || url.port === '443' ? null : Number(url.port)
  const path = plainLetters(url.pathname + url.search).replace(/[/?]+$/, '')
  return { host, port, key: `${host}${port === null ? '' : `:${port}`}${path}`, hasPath: path !== '' }
}

/** Letters, digits and `-._~` stand for themselves (RFC 3986, 6.2.2); other escapes are upper case. */
const plainLetters = (text: string): string =>
  text.replace(/%[0-9a-fA-F]{2}/g, (escaped) => {
    const char = String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
    return /[A-Za-z0-9._~-]/.test(char) ? char : escaped.toUpperCase()
  })

/** A host in lower case and punycode, or a plain address; `null` for what is none. */
export function canonicalHost(written: string): string | null {
  const text = refang(written.trim()).replace(/^\*?\.+/, '')
  if (text === '' || text.length > 300 || /[/?#@\s\\]/.test(text)) return null
  if (/^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.[a-z][a-z0-9-]*$/.test(text)) return text
  return canonicalUrl(`http://${text}/`)?.host ?? null
}

/** npm knows no upper case, PyPI none and no difference between `-`, `_` and `.` (PEP 503). */
export const canonicalPackage = (ecosystem: Ecosystem, name: string): string =>
  ecosystem === 'pypi' ? name.toLowerCase().replace(/[-_.]+/g, '-') : name.toLowerCase()
