import {
  SUBJECT_NONE,
  SUPPRESSIONS_MAX,
  type Suppressed,
  type Suppression,
  suppressedSchema,
} from '@agentcostcontrol/contract'
import * as z from 'zod'
import type { Clock } from '../clock.ts'
import type { Logger } from '../log.ts'
import { createKeptList, type KeptList, readKeptList } from './kept-list.ts'
import { type Lasting, lasting, leftOf, restored } from './lasting.ts'

/** Findings that people let pass for a while. Kept on disk; each ends by itself, whether the control plane is there or not. */
export interface Suppressions {
  /** Follows a list at once; resolves when the next start knows it too. Never rejects. */
  take(list: readonly Suppression[]): Promise<void>
  /**
   * Whether a finding is let pass. Asked of every finding.
   * @param agent `null` for requests that name none
   * @param textHash the first 32 hex digits of the SHA-256 of the whole text that it stands in; `null` where it is not known
   * @param tool the tool that is defined, called, or whose result it is; `null` for other text
   */
  covers(
    detectorId: string,
    ruleId: string,
    agent: string | null,
    textHash: string | null,
    tool: string | null,
  ): boolean
  stats(): { readonly inForce: number; readonly covered: number }
  close(): void
}

/** What they need. */
export interface SuppressionsOptions {
  readonly file: string
  /** Whether there is a control plane: nobody else can end what it said, so without one it does not count. */
  readonly hasControlPlane: boolean
  readonly clock: Clock
  readonly log: Logger
}

interface Entry extends Lasting, Suppressed {}

const WHAT = 'which findings are let pass'
const keptSchema = z
  .array(suppressedSchema.extend({ endsWallMs: z.number().nullable(), forMs: z.number().nullable() }))
  .max(SUPPRESSIONS_MAX)

/** Opens them as the last process left them. */
export async function openSuppressions(options: SuppressionsOptions): Promise<Suppressions> {
  const { file, hasControlPlane, clock, log } = options
  const kept = hasControlPlane ? ((await readKeptList(file, WHAT, log, keptSchema)) ?? []) : []
  const entries = kept.flatMap((entry): readonly Entry[] => {
    const still = restored(clock, entry)
    return still === null ? [] : [{ ...entry, ...still }]
  })
  return new KnownSuppressions(options, entries)
}

class KnownSuppressions implements Suppressions {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #kept: KeptList
  #byDetector: ReadonlyMap<string, readonly Entry[]>
  #covered = 0

  constructor({ file, clock, log }: SuppressionsOptions, entries: readonly Entry[]) {
    this.#clock = clock
    this.#log = log
    this.#byDetector = Map.groupBy(entries, ({ detector }) => detector)
    this.#kept = createKeptList(file, WHAT, log, () => this.#text())
  }

  async take(list: readonly Suppression[]): Promise<void> {
    const entries = list.map(({ id: _, endsInMs, ...what }) => ({ ...what, ...lasting(this.#clock, endsInMs) }))
    this.#byDetector = Map.groupBy(entries, ({ detector }) => detector)
    this.#log.info('the list of findings that are let pass has changed', { suppressions: entries.length })
    await this.#kept.keep()
  }

  covers(
    detectorId: string,
    ruleId: string,
    agent: string | null,
    textHash: string | null,
    tool: string | null,
  ): boolean {
    const entries = this.#byDetector.get(detectorId)
    if (entries === undefined) return false
    const found = entries.some(
      (entry) =>
        fits(entry.rule, ruleId) &&
        fits(entry.agent, agent ?? SUBJECT_NONE) &&
        fits(entry.textHash, textHash) &&
        fits(entry.tool, tool) &&
        leftOf(entry, this.#clock) > 0,
    )
    if (found) this.#covered++
    return found
  }

  stats(): { readonly inForce: number; readonly covered: number } {
    return { inForce: this.#inForce().length, covered: this.#covered }
  }

  readonly close = (): void => this.#kept.close()

  #inForce(): readonly Entry[] {
    return [...this.#byDetector.values()].flat().filter((entry) => leftOf(entry, this.#clock) > 0)
  }

  #text(): string {
    const kept: z.infer<typeof keptSchema> = this.#inForce().map(({ endsMonotonicMs: _, ...entry }) => entry)
    return JSON.stringify(kept)
  }
}

/** What is not said fits everything. */
const fits = (wanted: string | null, is: string | null): boolean => wanted === null || wanted === is
