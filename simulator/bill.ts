import type { Consumed, Oracle } from './pricing.ts'

/** What the provider would charge for one accepted request. */
export interface BillEntry {
  readonly requestId: string
  readonly responseId: string
  /** As on the rate card. */
  readonly provider: string
  readonly model: string
  readonly serviceTier: string
  readonly tag: string | null
  /** As the provider reports it, so far. */
  usage: object
  /** The same in one way of counting. */
  consumed: Consumed
  ended: 'open' | 'completed' | 'aborted' | 'cut'
  /** Pico-USD, decimal; `null` for a model that the rate card does not know. */
  costPicoUsd: string | null
}

/** Usage as a provider reports it, and what it stands for. */
export type Reported = Pick<BillEntry, 'usage' | 'consumed'>

/** The bill: complete at all times, also of what was broken off. */
export interface Bill {
  open(entry: Omit<BillEntry, 'usage' | 'consumed' | 'ended' | 'costPicoUsd'>, reported: Reported): BillEntry
  /** What an entry would cost with a usage, in pico-USD; `null` for a model that the rate card does not know. */
  quote(entry: Pick<BillEntry, 'provider' | 'model' | 'serviceTier'>, reported: Reported): string | null
  /** More was generated, or it ended. */
  update(entry: BillEntry, reported: Reported, ended: BillEntry['ended']): void
  entries(): readonly Readonly<BillEntry>[]
}

/** Makes a bill; the oldest entries go beyond `entriesMax`. */
export function createBill(oracle: Oracle, entriesMax = 200_000): Bill {
  const entries: BillEntry[] = []
  const price = (
    { provider, model, serviceTier }: Pick<BillEntry, 'provider' | 'model' | 'serviceTier'>,
    consumed: Consumed,
  ): string | null => oracle(provider, model, consumed, serviceTier)?.toString() ?? null
  return {
    open: (entry, { usage, consumed }) => {
      const opened: BillEntry = { ...entry, usage, consumed, ended: 'open', costPicoUsd: price(entry, consumed) }
      entries.push(opened)
      if (entries.length > entriesMax) entries.splice(0, entries.length - entriesMax)
      return opened
    },
    quote: (entry, { consumed }) => price(entry, consumed),
    update: (entry, { usage, consumed }, ended) => {
      entry.usage = usage
      entry.consumed = consumed
      entry.ended = ended
      entry.costPicoUsd = price(entry, consumed)
    },
    entries: () => entries,
  }
}
