import type { OpenAiUsage, Oracle } from './pricing.ts'

/** What the provider would charge for one accepted request. */
export interface BillEntry {
  readonly requestId: string
  readonly responseId: string
  readonly model: string
  readonly serviceTier: string
  readonly tag: string | null
  /** Web searches, billed by the call. */
  readonly searchCalls: number
  /** As far as it was generated. */
  usage: OpenAiUsage
  ended: 'open' | 'completed' | 'aborted' | 'cut'
  /** Pico-USD, decimal; `null` for a model that the rate card does not know. */
  costPicoUsd: string | null
}

/** The bill: complete at all times, also of what was broken off. */
export interface Bill {
  open(entry: Omit<BillEntry, 'usage' | 'ended' | 'costPicoUsd'>, usage: OpenAiUsage): BillEntry
  /** More was generated, or it ended. */
  update(entry: BillEntry, usage: OpenAiUsage, ended: BillEntry['ended']): void
  entries(): readonly Readonly<BillEntry>[]
}

/** Makes a bill; the oldest entries go beyond `entriesMax`. */
export function createBill(oracle: Oracle, entriesMax = 200_000): Bill {
  const entries: BillEntry[] = []
  const price = (
    { model, serviceTier, searchCalls }: Pick<BillEntry, 'model' | 'serviceTier' | 'searchCalls'>,
    usage: OpenAiUsage,
  ): string | null => oracle(model, usage, serviceTier, searchCalls)?.toString() ?? null
  return {
    open: (entry, usage) => {
      const opened: BillEntry = { ...entry, usage, ended: 'open', costPicoUsd: price(entry, usage) }
      entries.push(opened)
      if (entries.length > entriesMax) entries.splice(0, entries.length - entriesMax)
      return opened
    },
    update: (entry, usage, ended) => {
      entry.usage = usage
      entry.ended = ended
      entry.costPicoUsd = price(entry, usage)
    },
    entries: () => entries,
  }
}
