/** Loaded into a sidecar: its reading of a chat throws for a request whose `user` says so, with a message that quotes it. */
import { openaiChat } from '../../sidecar/providers/openai/chat.ts'
import type { ProviderAdapter } from '../../sidecar/providers/provider.ts'

const adapter: { bound: ProviderAdapter['bound'] } = openaiChat
const { bound } = openaiChat
adapter.bound = (request, bodyBytes) => {
  if (String(request.json.user).startsWith('throw')) throw new TypeError(`cannot read ${JSON.stringify(request.json)}`)
  return bound(request, bodyBytes)
}
