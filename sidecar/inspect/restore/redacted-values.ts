import type { Finding } from '@agentcostcontrol/contract'
import type { PlaceholderOf } from '@agentcostcontrol/detectors'
import type { CompiledSecurity, RestorePlaces } from '@agentcostcontrol/policy'
import { PLACEHOLDER_START } from './placeholders.ts'

/** A value that was taken out of a request, and where it may be put back. */
export interface RedactedValue extends RestorePlaces {
  readonly text: string
}

/** Characters of values that one exchange keeps; of more, placeholders stay. */
const CHARS_MAX = 1_048_576

/**
 * The values that were taken out of one request and may be put back into its answer, by their placeholders. They live in
 * memory for as long as the exchange, and are never told to anybody else.
 */
export class RedactedValues {
  readonly #security: CompiledSecurity
  /** `null` where two values share one: none of them is put back. */
  readonly #byPlaceholder = new Map<string, RedactedValue | null>()
  #chars = 0
  #longest = 0

  constructor(security: CompiledSecurity) {
    this.#security = security
  }

  /** Length of the longest placeholder; 0 where nothing may be put back. */
  get longest(): number {
    return this.#longest
  }

  /** Whether some tool's calls get something back. */
  get reachesTools(): boolean {
    return [...this.#byPlaceholder.values()].some((value) => value !== null && value.tools.size > 0)
  }

  /** Writes placeholders and keeps what they stand for. */
  noting(placeholderOf: PlaceholderOf): PlaceholderOf {
    return (finding, value) => {
      const placeholder = placeholderOf(finding, value)
      if (placeholder !== value) this.#note(finding, placeholder, value)
      return placeholder
    }
  }

  /** The value behind a placeholder of this request; `undefined` for any other. */
  get(placeholder: string): RedactedValue | undefined {
    return this.#byPlaceholder.get(placeholder) ?? undefined
  }

  /** Whether a text is the beginning of a placeholder of this request. */
  begins(text: string): boolean {
    if (text.length <= PLACEHOLDER_START.length) return PLACEHOLDER_START.startsWith(text)
    for (const placeholder of this.#byPlaceholder.keys()) if (placeholder.startsWith(text)) return true
    return false
  }

  /** Each value with its placeholder. */
  *entries(): Generator<readonly [placeholder: string, value: string]> {
    for (const [placeholder, value] of this.#byPlaceholder) if (value !== null) yield [placeholder, value.text]
  }

  #note({ detectorId }: Pick<Finding, 'detectorId'>, placeholder: string, text: string): void {
    const restore = this.#security.byDetector.get(detectorId)?.restore ?? null
    if (restore === null) return
    const known = this.#byPlaceholder.get(placeholder)
    if (known !== undefined) {
      if (known !== null && known.text !== text) this.#byPlaceholder.set(placeholder, null)
      return
    }
    if (this.#chars + text.length > CHARS_MAX) return
    this.#chars += text.length
    this.#longest = Math.max(this.#longest, placeholder.length)
    this.#byPlaceholder.set(placeholder, { ...restore, text: copied(text) })
  }
}

/** A slice would keep the whole conversation that it was cut from. */
const copied = (text: string): string => Buffer.from(text, 'utf16le').toString('utf16le')
