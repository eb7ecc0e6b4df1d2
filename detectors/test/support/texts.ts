/** Texts as agents exchange them, with secrets and with what resembles them. */
import { RULE_FILES } from '../../secrets/rules/index.ts'
import { plant } from './generate.ts'
import { ALNUM, type Random } from './random.ts'

const RULES = RULE_FILES.flatMap((file) => file.rules)
const KEYWORDS = RULES.flatMap((rule) => rule.keywords)
const WORDS =
  'the a password of key risk- task- token is Sk- secret we datadog api_key = " : , . ; ( ) { } \n \t / // https://example.com/path?x=1 pass postgres:// user@host 12345678 9876543210 - -- ----- é 日本 😀 AKIA eyJ ghp_ sk-proj- -us1 sig= Bearer'.split(
    ' ',
  )

/** A stretch of text without a secret, or with one by accident: detection decides, the same for every cut. */
function filler(random: Random): string {
  switch (random.below(7)) {
    case 0:
      return random.chars('0123456789abcdef', random.below(60))
    case 1:
      return random.chars(`${ALNUM}+/`, random.below(120))
    case 2: {
      const keyword = random.pick(KEYWORDS)
      return keyword.slice(0, 1 + random.below(keyword.length))
    }
    case 3:
      return random.pick(KEYWORDS) + random.chars(ALNUM, random.below(30))
    default:
      return Array.from({ length: random.below(8) }, () => random.pick(WORDS)).join(random.pick([' ', '']))
  }
}

/** A text with a few secrets in it. */
export function textWithSecrets(random: Random): string {
  let text = ''
  const parts = 1 + random.below(6)
  for (let part = 0; part < parts; part++) {
    text += filler(random)
    if (random.below(2) === 0) text += plant(random.pick(RULES), random).text
    if (random.below(8) === 0) {
      const { text: planted } = plant(random.pick(RULES), random)
      text += planted.slice(0, random.below(planted.length))
    }
    text += filler(random)
  }
  return text
}
