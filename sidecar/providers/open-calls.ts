import { toolName } from './named-tool.ts'
import type { EndedCall } from './provider.ts'

/** The calls of tools that a stream has begun and not ended, by the channel of what they are called with. */
export class OpenCalls {
  readonly #tools = new Map<string, string | null>()

  /** Begins a call, or says what its tool is called. */
  begin(channel: string, name: unknown): void {
    const known = this.#tools.get(channel) ?? null
    this.#tools.set(channel, known ?? toolName(name))
  }

  /** Ends the calls in these channels. */
  end(isMeant: (channel: string) => boolean): readonly EndedCall[] {
    const ended: EndedCall[] = []
    for (const [channel, tool] of this.#tools) {
      if (!isMeant(channel)) continue
      this.#tools.delete(channel)
      ended.push({ tool, channels: [channel], text: null })
    }
    return ended
  }
}
