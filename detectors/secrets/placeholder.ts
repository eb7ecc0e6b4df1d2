/** Tells secrets from what documentation, templates and tests put in their place. */

/** Words that people write where a secret would stand. */
const WORDS =
  /example|sample|placeholder|redacted|change.?me|your|insert|replace|dummy|x{4}|\*{3}|\.{3}|my[-_]|fake|foobar|<|\$\{|\{\{|%[sd({]|\$\(|todo|to.be|secret.?here|key.?here|token.?here/i

/** Public keys of emulators, of vendors' own documentation and of standards, by their beginning. */
const KNOWN = [
  'Eby8vdM02xNOcqFlqUwJPLlmEtlC', // Azure storage emulator
  'C2y6yDjf5/R+ob0N8A7Cgv30VRDJ', // Azure Cosmos DB emulator
  'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIi', // jwt.io
  'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzb21lIjoicGF5bG9hZCJ9', // PyJWT
  'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2Ui', // RFC 7515, RFC 7519
  // RFC 5849, OAuth 1.0
  'kkk9d7dh3k39sjv7',
  'ad180jjd733klru7',
  'nnch734d00sl2jdk',
  'dpf43f3p2l4k3l03',
  'kd94hf93k423kf44',
  'pfkkdhi9sl3r4s00',
  // RFC 6749 and 6750, OAuth 2.0
  '2YotnFZFEjr1zCsicMWpAA',
  'tGzv3JOkF0XG5Qx2TlKWIA',
  'SplxlOBeZQQYbYS6WxSbIA',
  'czZCaGRSa3F0MzpnWDFmQmF0M2JW',
  '7Fjfp0ZBr1KtDRbnfVdmIw',
  'mF_9.B5f-4.1JqM',
  'QWxhZGRpbjpvcGVuIHNlc2FtZQ', // RFC 7617
] as const

const RUN_CHARS_MIN = 7

/** True if `secret` is an example: a known one, a word that marks one, one character again and again, or a sequence. */
export function isPlaceholder(secret: string): boolean {
  return WORDS.test(secret) || KNOWN.some((known) => secret.startsWith(known)) || hasRun(secret)
}

/** Seven equal or consecutive characters: a random secret of a hundred has them once in a thousand million. */
function hasRun(secret: string): boolean {
  let equal = 1
  let ascending = 1
  for (let index = 1; index < secret.length; index++) {
    const step = secret.charCodeAt(index) - secret.charCodeAt(index - 1)
    equal = step === 0 ? equal + 1 : 1
    // "890" goes on counting after 9.
    ascending = step === 1 || step === -9 ? ascending + 1 : 1
    if (equal >= RUN_CHARS_MIN || ascending >= RUN_CHARS_MIN) return true
  }
  return false
}
