import type { Case } from './corpus.ts'
import { request } from './raw-http.ts'

const JSON_TYPE = 'Content-Type: application/json'

const CHAT = '{"messages":[{"role":"user","content":"hello"}]}'
const CHAT_STREAM = CHAT.replace('{', '{"stream":true,')
const DEPLOYMENT = '/azure/openai/deployments/mini-eu/chat/completions'
const azure = (name: string, body: string, headers: readonly string[] = [], hidden = false): Case => ({
  name: `Azure: ${name}`,
  bytes: request(`POST ${DEPLOYMENT}?api-version=2025-01-01-preview`, ['Api-Key: any', JSON_TYPE, ...headers], body),
  hidden,
})

/** Requests for chats of Azure, as bytes. */
export const AZURE_CORPUS: readonly Case[] = [
  azure('plain', CHAT),
  azure('streamed', CHAT_STREAM, [], true),
  azure('streamed with usage', CHAT_STREAM.replace('{', '{"stream_options":{"include_usage":true},')),
  azure('streamed, gzip', CHAT_STREAM, ['X-Sim-Encoding: gzip'], true),
  azure('streamed byte by byte', CHAT_STREAM, ['X-Sim-Fault: one-byte-chunks', 'X-Sim-Output-Tokens: 4'], true),
  azure('status 429', CHAT, ['X-Sim-Fault: status-429']),
  {
    name: 'Azure: an older version, whose stream is not asked for its usage',
    bytes: request(`POST ${DEPLOYMENT}?api-version=2024-02-01`, ['Api-Key: any', JSON_TYPE], CHAT_STREAM),
  },
  {
    name: 'Azure: the deployment as the model',
    bytes: request(
      'POST /azure/openai/v1/chat/completions',
      ['Api-Key: any', JSON_TYPE],
      CHAT.replace('{', '{"model":"mini-eu",'),
    ),
  },
]
