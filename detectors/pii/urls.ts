const SCHEME_AND_HOST = /https?:\/\/(?:[A-Za-z0-9-]{1,63}\.){1,6}[A-Za-z]{2,24}(?![A-Za-z0-9_@-]|\.[A-Za-z0-9])/y

/** The scheme and host of a URL whose ":" stands at `colon`. */
export function domainAt(text: string, colon: number): { readonly start: number; readonly end: number } | null {
  if (text.charCodeAt(colon + 1) !== 47 || text.charCodeAt(colon + 2) !== 47) return null
  const start = colon - (text.charCodeAt(colon - 1) === 115 ? 5 : 4)
  if (start < 0) return null
  SCHEME_AND_HOST.lastIndex = start
  return SCHEME_AND_HOST.test(text) ? { start, end: SCHEME_AND_HOST.lastIndex } : null
}
