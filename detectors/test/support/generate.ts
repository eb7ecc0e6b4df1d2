/** Makes secrets that rules describe, in the places where people leave them. */
import { type Pattern, type PatternSequence, parsePattern } from '../../scan/pattern.ts'
import { base62Crc32, grafanaChecksum } from '../../secrets/checks.ts'
import type { SecretRule } from '../../secrets/rule.ts'
import { ALNUM, type Random } from './random.ts'

/** A text with one secret in it. */
export interface Planted {
  readonly text: string
  readonly start: number
  readonly end: number
}

const PRINTABLE = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index))
const charsOf = new Map<string, readonly string[]>()
/** Longer repetitions are cut: what matters is that lengths vary. */
const VARIATION_MAX = 40

/** A random text that matches a pattern, with the part of the first capturing group. */
export function sample(pattern: Pattern, random: Random): { readonly whole: string; readonly secret: string } {
  let secret: string | null = null
  const sequence = (alternatives: readonly PatternSequence[]): string => {
    let out = ''
    for (const node of random.pick(alternatives)) {
      const times = node.min + random.below(Math.min(node.max - node.min, VARIATION_MAX) + 1)
      for (let time = 0; time < times; time++) {
        if (node.kind === 'char') {
          out += random.pick(members(node.source))
          continue
        }
        const part = sequence(node.alternatives)
        if (node.capture) secret = part
        out += part
      }
    }
    return out
  }
  const whole = sequence(pattern.alternatives)
  return { whole, secret: secret ?? whole }
}

function members(source: string): readonly string[] {
  let chars = charsOf.get(source)
  if (!chars) {
    const char = new RegExp(`^${source}$`)
    chars = PRINTABLE.filter((one) => char.test(one))
    charsOf.set(source, chars)
  }
  return chars
}

const jwtOf = (payload: object, random: Random): string =>
  [JSON.stringify({ alg: 'HS256', typ: 'JWT' }), JSON.stringify({ ...payload, sub: random.chars(ALNUM, 20) })]
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.')
    .concat('.', random.chars(`${ALNUM}-_`, 43))

/** Secrets whose content is checked are made by hand. */
function byHand(rule: SecretRule, random: Random): { readonly whole: string; readonly secret: string } | null {
  const basic = (): string => Buffer.from(`deploy:${random.chars(ALNUM, 14)}`).toString('base64')
  switch (rule.check) {
    case 'crc32-base62': {
      const body = random.chars(ALNUM, 30)
      const secret = `${rule.keywords[0]}${body}${base62Crc32(body)}`
      return { whole: secret, secret }
    }
    case 'crc32-hex': {
      const head = `glsa_${random.chars(ALNUM, 32)}`
      const secret = `${head}_${grafanaChecksum(head)}`
      return { whole: secret, secret }
    }
    case 'jwt': {
      const secret = jwtOf({ role: 'user' }, random)
      return { whole: secret, secret }
    }
    case 'jwt-service-role': {
      const secret = jwtOf({ role: 'service_role' }, random)
      return { whole: secret, secret }
    }
    case 'discord-id': {
      const id = Buffer.from(`1${random.chars('0123456789', 17)}`)
        .toString('base64')
        .replace(/=+$/, '')
      const secret = `${id}.${random.chars(ALNUM, 6)}.${random.chars(ALNUM, 38)}`
      return { whole: secret, secret }
    }
    case 'basic-auth': {
      const secret = basic()
      return { whole: (rule.id === 'docker-config-auth' ? '"auth": "' : 'Basic ') + secret, secret }
    }
    case 'password': {
      const { whole, secret } = sample(parsePattern('pattern' in rule ? rule.pattern : rule.value), random)
      const other = password(random)
      return { whole: whole.slice(0, whole.length - secret.length) + other, secret: other }
    }
    default:
      return null
  }
}

/** As password managers make them. */
const password = (random: Random): string =>
  random.pick([...'abcdefghkm']) + random.chars(`${ALNUM}!#%^*_+.-`, 8 + random.below(16)) + random.below(10)

/** Plants a secret of a rule among words. */
export function plant(rule: SecretRule, random: Random): Planted {
  const { whole, secret } =
    'pattern' in rule ? patternSecret(rule, rule.pattern, random) : assigned(rule, rule.value, random)
  const lead =
    random.pick(['', 'see ', 'export it:\n', 'The log says (', '\t- ']) +
    ('before' in rule && rule.before === 'digit' ? '7' : '')
  const tail =
    rule.end === 'at'
      ? '@db.internal:5432/main'
      : rule.end === 'quote' && !whole.endsWith('"')
        ? '", more'
        : random.pick(['', ' and more', '\nnext line', ', then', "'"])
  const text = lead + whole + tail
  const start = lead.length + whole.lastIndexOf(secret)
  return { text, start, end: start + secret.length }
}

function patternSecret(rule: SecretRule, pattern: string, random: Random): { whole: string; secret: string } {
  return byHand(rule, random) ?? sample(parsePattern(pattern), random)
}

/** `ACME_API_KEY=…`, as environments, JSON, YAML and code write it. */
function assigned(rule: SecretRule, value: string, random: Random): { whole: string; secret: string } {
  const secret = rule.check === 'password' ? password(random) : sample(parsePattern(`(${value})`), random).whole
  const keyword = random.pick(rule.keywords)
  const hinted =
    'needsHint' in rule ? keyword : `${keyword}${random.pick(['_api_key', '-token', 'Secret', '.apikey', ' api key'])}`
  const name = random.pick([hinted, hinted.toUpperCase()])
  const whole = random.pick([
    `${name}="${secret}"`,
    `"${name}": "${secret}"`,
    `${name}=${secret}`,
    `${name}: '${secret}'`,
    `${name} is ${secret}`,
  ])
  if (rule.end !== 'quote') return { whole: whole.replace(/["']$/, ''), secret }
  return { whole: `${name}="${secret}"`, secret }
}
