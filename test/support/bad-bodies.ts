import { DETECTORS } from '@agentcostcontrol/detectors'
import type { ChatOptions } from './chat.ts'

const CANARY = DETECTORS[0]?.canary() ?? ''
const nested = (open: string, levels: number, close: string): string => open.repeat(levels) + close.repeat(levels)
/** A small chat request with one more member. */
export const withMember = (member: string): string =>
  `{"model":"gpt-4.1-mini","max_tokens":16,"messages":[{"role":"user","content":"hello"}],${member}}`
const utf8 = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text))

/** A body, and how it ends. */
export interface BadBody {
  readonly name: string
  readonly send: ChatOptions
  readonly ends: { readonly status: number; readonly code: string | null; readonly message?: RegExp }
}

const notJson = (message: RegExp) => ({ status: 400, code: 'acc_body_not_json', message })
const longModel = { status: 400, code: 'acc_model_missing', message: /at most 256 characters/ }
const noModel = { status: 400, code: 'acc_model_missing', message: /set "model" to a string/ }
const unpriced = { status: 403, code: 'acc_model_unpriced', message: /no price for the model/ }
const passes = { status: 200, code: null }
/** The provider's own refusal, passed on. */
const refusedByProvider = { status: 400, code: null }
const blocked = { status: 403, code: 'acc_security_blocked', message: /secrets\// }

/** Bodies that nobody should send. */
export const BAD_BODIES: readonly BadBody[] = [
  // the model
  { name: 'an unknown model', send: { body: { model: 'gpt-nine' } }, ends: unpriced },
  { name: 'a known model with more behind it', send: { body: { model: 'gpt-4.1-mini-turbo' } }, ends: unpriced },
  { name: 'a name of a megabyte', send: { body: { model: 'm'.repeat(1_000_000) } }, ends: longModel },
  { name: '__proto__ for a model', send: { body: { model: '__proto__' } }, ends: unpriced },
  { name: 'constructor for a model', send: { body: { model: 'constructor' } }, ends: unpriced },
  { name: 'no model', send: { body: { model: undefined } }, ends: noModel },
  { name: 'an empty model', send: { body: { model: '' } }, ends: noModel },
  { name: 'a model that is a list', send: { body: { model: ['gpt-4.1-mini'] } }, ends: noModel },
  // not JSON
  { name: 'no body', send: { raw: '' }, ends: notJson(/has no body/) },
  { name: 'half of a body', send: { raw: '{"model":"gpt-4.1-mini"' }, ends: notJson(/not valid JSON/) },
  { name: 'a list', send: { raw: '[]' }, ends: notJson(/must be a JSON object/) },
  { name: 'null', send: { raw: 'null' }, ends: notJson(/must be a JSON object/) },
  { name: 'a string', send: { raw: '"hello"' }, ends: notJson(/must be a JSON object/) },
  { name: 'NaN', send: { raw: withMember('"temperature":NaN') }, ends: notJson(/not valid JSON/) },
  { name: 'a form', send: { raw: 'model=gpt-4.1-mini' }, ends: notJson(/not valid JSON/) },
  { name: 'two bodies', send: { raw: `${withMember('"n":1')}{}` }, ends: notJson(/not valid JSON/) },
  {
    name: 'Latin-1',
    send: { raw: new Uint8Array([0x7b, 0x22, 0xe9, 0x22, 0x3a, 0x31, 0x7d]) },
    ends: notJson(/not valid UTF-8/),
  },
  { name: 'UTF-16', send: { raw: new Uint8Array(Buffer.from('{}', 'utf16le')) }, ends: notJson(/not valid/) },
  { name: 'a byte order mark', send: { raw: utf8(`\ufeff${withMember('"n":1')}`) }, ends: notJson(/byte order mark/) },
  {
    name: 'a surrogate in bytes',
    send: { raw: new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22]) },
    ends: notJson(/UTF-8/),
  },
  {
    name: 'a compressed body',
    send: { headers: { 'content-encoding': 'gzip' } },
    ends: { status: 415, code: 'acc_body_encoding_unsupported', message: /"gzip"/ },
  },
  // too deep
  {
    name: 'a list in a list, 100 000 times',
    send: { raw: nested('[', 100_000, ']') },
    ends: notJson(/deeper than 256/),
  },
  {
    name: 'a deep member',
    send: { raw: withMember(`"metadata":${nested('[', 100_000, ']')}`) },
    ends: notJson(/deeper than 256/),
  },
  {
    name: 'a deep tool',
    send: { raw: withMember(`"tools":[${'{"a":'.repeat(300)}1${'}'.repeat(300)}]`) },
    ends: notJson(/deeper than 256/),
  },
  {
    name: 'a deep prediction',
    send: { raw: withMember(`"prediction":${nested('[', 100_000, ']')}`) },
    ends: notJson(/deeper than 256/),
  },
  { name: 'as deep as may be', send: { raw: withMember(`"metadata":${nested('[', 255, ']')}`) }, ends: passes },
  // numbers
  { name: 'n of a billion', send: { body: { n: 1e9 } }, ends: passes },
  {
    name: 'n beyond counting',
    send: { body: { n: 9e15, max_tokens: 9e15 } },
    ends: { status: 429, code: 'acc_budget_exceeded', message: /may cost up to/ },
  },
  { name: 'n below zero', send: { body: { n: -1 } }, ends: passes },
  { name: 'max_tokens below zero', send: { body: { max_tokens: -5 } }, ends: passes },
  { name: 'max_tokens beyond doubles', send: { raw: withMember('"max_completion_tokens":1e400') }, ends: passes },
  { name: 'max_tokens of 1e308', send: { body: { max_tokens: 1e308 } }, ends: passes },
  { name: 'max_tokens in a string', send: { body: { max_tokens: '5' } }, ends: passes },
  { name: 'max_tokens in halves', send: { body: { max_tokens: 0.5 } }, ends: passes },
  { name: 'a number of 10 000 digits', send: { raw: withMember(`"seed":${'9'.repeat(10_000)}`) }, ends: passes },
  // shapes
  { name: 'messages that are none', send: { body: { messages: {} } }, ends: refusedByProvider },
  { name: 'messages that are text', send: { body: { messages: 'hello' } }, ends: refusedByProvider },
  {
    name: 'messages of anything',
    send: { body: { messages: [1, null, 'x', [], { role: 7, content: { a: [] } }] } },
    ends: passes,
  },
  { name: 'stream that is text', send: { body: { stream: 'true' } }, ends: passes },
  {
    name: 'stream_options that are none',
    send: { body: { stream: true, stream_options: 'x' } },
    ends: passes,
  },
  {
    name: 'everything null',
    send: {
      raw: withMember('"tools":null,"n":null,"stop":null,"prediction":null,"service_tier":null,"logit_bias":null'),
    },
    ends: passes,
  },
  {
    name: '__proto__ keys',
    send: { raw: withMember('"__proto__":{"stream":true,"model":"o3"},"constructor":{"prototype":{"n":9}}') },
    ends: passes,
  },
  { name: 'lone surrogates, escaped', send: { raw: withMember('"user":"\\ud800 and \\udfff"') }, ends: passes },
  // secrets in unusual places
  ...Object.entries({
    'messages that are text': { messages: CANARY },
    'messages that are a map': { messages: { a: CANARY } },
    'a message that is text': { messages: [CANARY] },
    'content that is a map': { messages: [{ role: 'user', content: { text: CANARY } }] },
    'a part that is text': { messages: [{ role: 'user', content: [CANARY] }] },
    'a part of an unknown kind': {
      messages: [{ role: 'user', content: [{ type: 'document', source: { data: CANARY } }] }],
    },
    'a picture’s address that is text': {
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: `https://x/?${CANARY}` }] }],
    },
    'tools that are a map': { tools: { a: CANARY } },
    'an unknown member': { x: { y: [CANARY] } },
    'a member named __proto__': JSON.parse(`{"__proto__":"${CANARY}"}`),
  }).map(
    ([name, body]): BadBody => ({
      name: `a secret in ${name}`,
      send: {
        raw: JSON.stringify({
          model: 'gpt-4.1-mini',
          messages: [],
          max_tokens: 9,
          ...Object.fromEntries(Object.entries(body)),
        }),
      },
      ends: blocked,
    }),
  ),
]
