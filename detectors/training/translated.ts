import { readFileSync } from 'node:fs'

/** Languages as folders and files are named for them: two letters, and three for texts that are named by ISO 639-3. */
const LANGUAGES = `ar bg ca cs da de el es et fa fi fr gl he hi hr hu id it ja kk ko lt lv mk ms nb nl pl pt ro ru sk sl sq sr sv
  ta th tr uk ur uz vi zh ara bul ces dan deu ell fas fin fra hin hrv hun ind ita jpn kor nld pol por ron rus slk spa srp swe tha
  tur ukr vie cmn`
const CODE = `(?:${LANGUAGES.trim().split(/\s+/).join('|')})`
const NAMED = new RegExp(`(?:^|[/._-])${CODE}(?:[-_](?:[a-zA-Z]{2,4}|\\d{4}))?(?=[/.]|$)`)
const READABLE = /\.(?:[cm]?[jt]s|json|md|po|properties|html)(?:\.ejs)?$|\/(?:problem|solution)[._][a-zA-Z-]+$/
/** Built again from what stands elsewhere, or types. */
const DERIVED = /\.min\.|\.d\.[cm]?ts$/

/** Whether a file's name says that it is in another language than English. */
export const isTranslated = (path: string): boolean => READABLE.test(path) && !DERIVED.test(path) && NAMED.test(path)

/** The text of such a file; of a catalogue of messages the translations alone, of a page what is to be read. */
export function readTranslated(path: string): string {
  const text = readFileSync(path, 'utf8').replace(/\\u([0-9a-fA-F]{4})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  )
  if (path.endsWith('.po')) return translations(text)
  return path.endsWith('.html') ? text.replace(/<[^>]*>/g, ' ') : text
}

/** Those of a catalogue's entries, one behind another; the first says only who made it. */
function translations(catalogue: string): string {
  return [...catalogue.matchAll(/^msgstr(?:\[\d\])? ("(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*)/gm)]
    .slice(1)
    .map(([, quoted = '']) => quoted.replace(/"\s*"/g, '').slice(1, -1).replaceAll('\\n', '\n').replaceAll('\\"', '"'))
    .filter((translation) => translation !== '')
    .join('\n')
}
