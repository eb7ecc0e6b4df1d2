import { readFile } from 'node:fs/promises'
import { totalOutputTokens } from '@agentcostcontrol/contract'
import * as z from 'zod'
import type { Clock } from '../clock.ts'
import type { Reserved, Target } from '../exchange.ts'
import { createKeptFile } from '../kept-file.ts'
import type { Logger } from '../log.ts'
import type { Metered } from '../metering/meter.ts'

/** Requests of one kind: what a provider makes of their limits is the same for all of them. */
export interface RequestClass {
  readonly provider: string
  /** As the price list calls it; as it was asked for where no list knows it. */
  readonly model: string
  readonly operation: string
}

/**
 * Classes whose provider billed more than the bound of a request that its own body bounds. From then on such a request
 * goes by the provider's `onUnbounded`, as one that nothing in its body bounds.
 */
export interface Demotions {
  /** Until when the class is demoted, ms since the epoch; `null` if it is not. Asked of every request. */
  until(target: Target, operation: string): number | null
  /** Looks at what an attempt was billed, and demotes its class if that was more than its bound. */
  judge(reserved: Reserved, metered: Metered): void
  /** The classes that are demoted. */
  list(): readonly (RequestClass & { readonly untilMs: number })[]
  /** Demotions since the start. */
  readonly count: number
  close(): void
}

/** What it needs. */
export interface DemotionsOptions {
  readonly file: string
  /** Of the sidecar and its price list: with another one bounds may be others, and nothing is held against a class. */
  readonly version: string
  readonly clock: Clock
  readonly log: Logger
}

/** How long a class stays demoted: what a provider got wrong it may have mended, and one bill in a week finds out. */
export const DEMOTED_MS = 7 * 24 * 3_600_000
/** When there are more, the one that ends first gives way. */
const CLASSES_MAX = 1_000

const keptSchema = z.strictObject({
  version: z.string(),
  classes: z
    .array(z.strictObject({ provider: z.string(), model: z.string(), operation: z.string(), untilMs: z.number() }))
    .max(CLASSES_MAX),
})

interface Entry extends RequestClass {
  readonly untilMs: number
  /** The same on the clock that nobody sets. */
  readonly endsMonotonicMs: number
}

/** Opens them as the last process left them. */
export async function openDemotions(options: DemotionsOptions): Promise<Demotions> {
  const { file, version, clock, log } = options
  const text = await readFile(file, 'utf8').catch(() => null)
  const kept = text === null ? null : readKept(text)
  if (text !== null && kept === null)
    log.warn('which classes of requests were billed above their bound is not known: the file is not whole', { file })
  return new KnownDemotions(options, kept?.version === version ? kept.classes : [], clock.nowMs())
}

class KnownDemotions implements Demotions {
  readonly #options: DemotionsOptions
  readonly #kept: ReturnType<typeof createKeptFile>
  /** In the order in which they end. */
  readonly #entries = new Map<string, Entry>()
  count = 0
  #changed = false
  #saving: Promise<void> | null = null

  constructor(options: DemotionsOptions, kept: z.infer<typeof keptSchema>['classes'], nowMs: number) {
    this.#options = options
    this.#kept = createKeptFile(options.file, 'which classes of requests are demoted', options.log)
    for (const { untilMs, ...of } of kept) this.#add(of, Math.min(untilMs - nowMs, DEMOTED_MS))
  }

  until(target: Target, operation: string): number | null {
    if (this.#entries.size === 0) return null
    const key = keyOf(classOf(target, operation))
    const entry = this.#entries.get(key)
    if (entry === undefined) return null
    if (this.#options.clock.monotonicMs() < entry.endsMonotonicMs) return entry.untilMs
    this.#entries.delete(key)
    return null
  }

  judge({ cover, target, planned }: Reserved, { charged, usage }: Metered): void {
    if (cover.kind !== 'covered' || !cover.isBoundedByBody || cover.bound === null) return
    const { bound } = cover.intent.reservation
    const outputTokens = usage === null ? 0 : totalOutputTokens(usage)
    if (charged <= bound && outputTokens <= cover.bound.outputTokensMax) return
    const of = classOf(target, planned.inspected.authorized.identified.operation)
    const isNew = this.until(target, of.operation) === null
    this.#entries.delete(keyOf(of))
    const { untilMs } = this.#add(of, DEMOTED_MS)
    void this.#keep()
    if (!isNew) return
    this.count++
    this.#options.log.warn('a provider billed more than it was told: such requests go by onUnbounded from now on', {
      ...of,
      eventId: cover.intent.event.eventId,
      boundNanoUsd: bound.toString(),
      chargedNanoUsd: charged.toString(),
      outputTokensMax: cover.bound.outputTokensMax,
      outputTokens,
      until: new Date(untilMs).toISOString(),
    })
  }

  list(): readonly (RequestClass & { readonly untilMs: number })[] {
    const nowMs = this.#options.clock.monotonicMs()
    return [...this.#entries.values()].filter(({ endsMonotonicMs }) => endsMonotonicMs > nowMs)
  }

  readonly close = (): void => this.#kept.close()

  #add(of: RequestClass, forMs: number): Entry {
    const { clock } = this.#options
    const entry = { ...of, untilMs: clock.nowMs() + forMs, endsMonotonicMs: clock.monotonicMs() + forMs }
    const [first] = this.#entries.keys()
    if (this.#entries.size >= CLASSES_MAX && first !== undefined) this.#entries.delete(first)
    this.#entries.set(keyOf(of), entry)
    return entry
  }

  /** One write at a time, and what changed meanwhile in the next. */
  #keep(): Promise<void> {
    this.#changed = true
    this.#saving ??= this.#save().finally(() => {
      this.#saving = null
    })
    return this.#saving
  }

  async #save(): Promise<void> {
    while (this.#changed) {
      this.#changed = false
      const classes = this.list().map(({ provider, model, operation, untilMs }) => ({
        provider,
        model,
        operation,
        untilMs,
      }))
      await this.#kept.keep(JSON.stringify({ version: this.#options.version, classes }))
    }
  }
}

const NAME_MAX = 256

const classOf = ({ provider, model, priced }: Target, operation: string): RequestClass => ({
  provider: provider.provider,
  model: priced === null || priced.foundBy === 'worstCase' ? model.slice(0, NAME_MAX) : priced.price.model,
  operation,
})

const keyOf = ({ provider, model, operation }: RequestClass): string => `${provider}\u001f${operation}\u001f${model}`

function readKept(text: string): z.infer<typeof keptSchema> | null {
  try {
    return keptSchema.parse(JSON.parse(text))
  } catch {
    return null
  }
}
