/** Places in an address that somebody is to fill in: with what was said, or with what is secret. */

import type { Seen } from './rules.ts'
import type { Url } from './url.ts'

/** What nobody puts into an address but to take it away. */
const STRONG =
  /secrets\b|pass(?:word|wd|phrase)|credential|conversation|(?:chat|message|browser|search)[ _-]?(?:history|log)|system[ _-]?prompt|exfil|stolen|sensitive|confidential|inbox|cookies?\b|private[ _-]?(?:data|key|info)|user'?s[ _-](?:data|info|name|e-?mail|address|message)/i
/** What may be taken away, where nothing else is said. */
const WEAK =
  /^(?:the|your|all|insert|put|here|url|encoded|url-?encoded|base64|b64|hex|user|leaked|my|full|entire|whole|[ _-])*(?:data|info(?:rmation)?|contents?|messages?|prompts?|responses?|answers?|summary|summaries|document|text|output|results?|payload|base64|encoded|context|e-?mails?|tokens?|keys?|secret)(?:[ _-]?(?:here|goes|base64|b64|encoded|value|string|urlencoded))*$/i
const SENTENCE =
  /\b(?:the|your|user'?s?|all|insert|put)\b.*\b(?:data|content|conversation|messages?|e-?mails?|summary|answer|response|prompt|keys?|tokens?|chat|history)\b/i
/** Parameters that are given a credential, as every documentation writes them. */
const CREDENTIAL =
  /(?:^|[_.-])(?:api_?key|apikey|key|token|auth|app_?id|client_?id|client_?secret|signature|sig|pass(?:word)?|pwd|secret|code|state|user(?:name)?)$/i
const CAPITALS = /^[A-Z][A-Z0-9_-]{3,40}$/
const CAPITAL_DATA = /DATA|BASE64|CONVERSATION|PASSWORD|SECRET|PROMPT|EXFIL|CHAT_?HISTORY|STOLEN|INBOX/

/** What an address asks to be filled in with. @param text where it stands */
export function placeholdersOf(text: string, url: Url, isFetched: boolean): Seen | null {
  let weak = false
  for (const { start, end } of url.templates) {
    const inner = text.slice(start, end).replace(/^[${[<\s]+|[}\]>\s]+$/g, '')
    const strength = strengthOf(inner, parameterBefore(text, url, start), isFetched)
    if (strength === 'strong') return seen(isFetched, true)
    weak ||= strength === 'weak'
  }
  if (!weak && url.templates.length === 0) weak = inCapitals(text.slice(url.hostEnd, url.end))
  return weak && isFetched ? seen(true, false) : null
}

const seen = (isFetched: boolean, isStrong: boolean): Seen => ({
  rule: isFetched ? 'image-placeholder' : 'link-placeholder',
  severity: isFetched && isStrong ? 'high' : 'medium',
})

function strengthOf(inner: string, parameter: string, isFetched: boolean): 'strong' | 'weak' | null {
  if (CREDENTIAL.test(parameter)) return null
  // A link in documentation has places of one word.
  if (STRONG.test(inner)) return isFetched || /\s/.test(inner) ? 'strong' : null
  return WEAK.test(inner) || (/\s/.test(inner) && SENTENCE.test(inner)) ? 'weak' : null
}

/** The name of the parameter that a place is the value of; empty if of none. */
function parameterBefore(text: string, { hostEnd }: Url, at: number): string {
  return /[?&]([\w.-]{1,64})=[^&=]*$/.exec(text.slice(Math.max(hostEnd, at - 200), at))?.[1] ?? ''
}

/** `?q=CONVERSATION`: a value that is written as one to be replaced. */
function inCapitals(behind: string): boolean {
  const query = behind.indexOf('?')
  if (query === -1) return false
  return behind
    .slice(query + 1)
    .split('&', 64)
    .some((pair) => {
      const [name = '', value = ''] = pair.split('=', 2)
      return CAPITALS.test(value) && CAPITAL_DATA.test(value) && !CREDENTIAL.test(name)
    })
}
