import { toolName } from './named-tool.ts'
import type { EndedCall } from './provider.ts'

/** The calls of tools that a stream has begun and not ended, by the channel of what they are called with. */
export class OpenCalls {
  readonly #tools = new Map<string, string | null>()
  readonly #ids = new Map<string, { readonly id: string; readonly number: number }>()
  #whole: EndedCall[] = []

  /** The place of a call whose parts come under this name: another id begins another call there. */
  place(name: string, id: unknown): string {
    const known = this.#ids.get(name)
    const isNew = typeof id === 'string' && id !== '' && id !== known?.id
    const call = isNew ? { id, number: (known?.number ?? -1) + 1 } : known
    if (call) this.#ids.set(name, call)
    return call === undefined || call.number === 0 ? name : `${name}.${call.number}`
  }

  /** Takes a call that came whole. */
  bring(call: EndedCall): void {
    this.#whole.push(call)
  }

  /** Those that came whole since it was asked last. */
  brought(): readonly EndedCall[] {
    const whole = this.#whole
    if (whole.length > 0) this.#whole = []
    return whole
  }

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
