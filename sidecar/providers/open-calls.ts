import { JsonEnd } from './json-end.ts'
import { toolName } from './named-tool.ts'
import type { EndedCall } from './provider.ts'

/** A longer id is none: it begins no other call. */
const ID_CHARS_MAX = 256
/** Places whose ids are kept: in a further one all is one call. */
const PLACES_MAX = 1_024

/** The call that comes under one name. */
interface PlacedCall {
  readonly number: number
  readonly id: string
  readonly args: JsonEnd
}

/** The calls of tools that a stream has begun and not ended, by the channel of what they are called with. */
export class OpenCalls {
  readonly #tools = new Map<string, string | null>()
  readonly #placed = new Map<string, PlacedCall>()
  #whole: EndedCall[] = []

  /**
   * The place of a call whose parts come under this name. Another id begins another call there if a tool is named with it and
   * the call before is complete: clients put what comes under one name together, whatever each part says of itself.
   */
  place(name: string, id: unknown, namesTool: boolean): string {
    let call = this.#placed.get(name)
    if (!call) {
      if (this.#placed.size >= PLACES_MAX) return name
      call = { number: 0, args: new JsonEnd(), id: '' }
    }
    if (typeof id === 'string' && id !== '' && id.length <= ID_CHARS_MAX && id !== call.id) {
      const isAnother = call.id !== '' && namesTool && call.args.isReached
      call = isAnother ? { number: call.number + 1, args: new JsonEnd(), id } : { ...call, id }
    }
    this.#placed.set(name, call)
    return call.number === 0 ? name : `${name}.${call.number}`
  }

  /** What came of the call under a name. */
  came(name: string, text: string): void {
    this.#placed.get(name)?.args.read(text)
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
