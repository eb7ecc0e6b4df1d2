/** What a pattern cannot say: checksums and contents of a candidate. */
import { crc32 } from 'node:zlib'

/** `weak`: it looks right but its checksum does not hold, so it is reported with less certainty. */
export type CheckResult = 'pass' | 'weak' | 'fail'

type Check = (secret: string) => CheckResult

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Six base-62 digits of a CRC-32, as GitHub (2021) and npm append them to thirty random characters. */
export function base62Crc32(text: string): string {
  let rest = crc32(text)
  let digits = ''
  for (let index = 0; index < 6; index++) {
    digits = BASE62.charAt(rest % 62) + digits
    rest = Math.floor(rest / 62)
  }
  return digits
}

/** CRC-32 of a Grafana service account token up to its last underscore, low byte first, in hexadecimal (Grafana 9). */
export function grafanaChecksum(text: string): string {
  const sum = Buffer.alloc(4)
  sum.writeUInt32LE(crc32(text))
  return sum.toString('hex')
}

/** One part of a JSON Web Token as an object, or `null` if it is none. */
function jwtPart(secret: string, index: 0 | 1): Record<string, unknown> | null {
  try {
    const part: unknown = JSON.parse(Buffer.from(secret.split('.')[index] ?? '', 'base64url').toString('utf8'))
    return typeof part === 'object' && part !== null ? { ...part } : null
  } catch {
    return null
  }
}

const isJwt = (secret: string): boolean => typeof jwtPart(secret, 0)?.alg === 'string'

const passIf = (holds: boolean): CheckResult => (holds ? 'pass' : 'fail')

const hasDigit = (secret: string): boolean => /[0-9]/.test(secret)
const hasLetter = (secret: string): boolean => /[A-Za-z]/.test(secret)
const isMixed = (secret: string): boolean => hasDigit(secret) && /[a-z]/.test(secret) && /[A-Z]/.test(secret)

/** Names, paths, templates and numbers stand where passwords stand; a password mixes letters with digits. */
function looksLikePassword(secret: string): boolean {
  if (/^[a-z]+:\/\/|^[./~@]|^\$[\w({]|\$\{|\w\(|[([{]\w{0,20}$/i.test(secret)) return false
  if (/^[a-z]+(?:[._-][a-z]+)*\d{0,2}$|^[A-Z]+(?:_[A-Z0-9]+)*$/i.test(secret)) return false
  return hasLetter(secret) && hasDigit(secret) && !TUTORIAL_PASSWORDS.test(secret)
}

const TUTORIAL_PASSWORDS =
  /^(?:the|db|my|app|user|root|test|some|super|secret|sql)?[-_.]?(?:pass|passwd|password|passw0rd|p4ssw0rd|p@ssword|pwd|secret|postgres|postgresql|mysql|mariadb|mongo|mongodb|redis|rabbitmq|root|admin|administrator|guest|user|username|test|testing|tester|toor|letmein|qwerty|abc|docker|default|demo|minio|minioadmin|token|apikey|api_key|hunter|foo|bar|baz|foobar|local|localhost|development)[-_.]?(?:word|pass|password|here|key)?\d{0,4}!?$/i

/** The checks that rules name. */
const CHECKS = {
  /** `prefix_` + 30 random characters + checksum. */
  'crc32-base62': (secret) => {
    const body = secret.slice(secret.indexOf('_') + 1)
    return base62Crc32(body.slice(0, -6)) === body.slice(-6) ? 'pass' : 'weak'
  },
  /** `glsa_` + 32 random characters + `_` + checksum. */
  'crc32-hex': (secret) => {
    const at = secret.lastIndexOf('_')
    return grafanaChecksum(secret.slice(0, at)) === secret.slice(at + 1) ? 'pass' : 'weak'
  },
  jwt: (secret) => passIf(isJwt(secret)),
  'jwt-service-role': (secret) => passIf(isJwt(secret) && jwtPart(secret, 1)?.role === 'service_role'),
  /** The first part of a Discord bot token is its numeric id. */
  'discord-id': (secret) =>
    passIf(/^\d{16,20}$/.test(Buffer.from(secret.split('.')[0] ?? '', 'base64').toString('latin1'))),
  /** `Basic` credentials: printable `user:password`. */
  'basic-auth': (secret) =>
    passIf(/^[\x21-\x7e]{1,100}:[\x20-\x7e]{3,100}$/.test(Buffer.from(secret, 'base64').toString('latin1'))),
  digit: (secret) => passIf(hasDigit(secret)),
  'letter-and-digit': (secret) => passIf(hasDigit(secret) && hasLetter(secret)),
  mixed: (secret) => passIf(isMixed(secret)),
  password: (secret) => passIf(looksLikePassword(secret)),
  /** Where only a password can stand: all but the ones of every tutorial; those without a digit are less certain. */
  'connection-password': (secret) => {
    if (TUTORIAL_PASSWORDS.test(secret) || /^[$%]|^\d+$/.test(secret)) return 'fail'
    return hasDigit(secret) && hasLetter(secret) ? 'pass' : 'weak'
  },
} as const satisfies Readonly<Record<string, Check>>

/** Names one of the checks. */
export type CheckId = keyof typeof CHECKS

/** Runs a check. Its cost is linear in the length of the secret. */
export const runCheck = (id: CheckId, secret: string): CheckResult => CHECKS[id](secret)

/** A sample of a long secret tells its entropy as well as the whole. */
const ENTROPY_CHARS_MAX = 256
const counts = new Uint16Array(128)
/** n log2 n, by n. */
const N_LOG_N = Float64Array.from({ length: ENTROPY_CHARS_MAX + 1 }, (_, n) => (n === 0 ? 0 : n * Math.log2(n)))

/**
 * Shannon entropy in bits a character, of the first 256 characters; those outside ASCII count by their low seven bits.
 * H = log2 n - (1/n) sum of c log2 c over the count c of each character.
 */
export function entropyBits(text: string): number {
  const length = Math.min(text.length, ENTROPY_CHARS_MAX)
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index) & 127
    counts[code] = (counts[code] ?? 0) + 1
  }
  let sum = 0
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index) & 127
    sum += N_LOG_N[counts[code] ?? 0] ?? 0
    counts[code] = 0
  }
  return length === 0 ? 0 : ((N_LOG_N[length] ?? 0) - sum) / length
}
