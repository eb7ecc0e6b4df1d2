import { join } from 'node:path'
import type { Clock, Timers } from '../../clock.ts'
import type { ToolPinDecisions } from '../../control/tool-pin-decisions.ts'
import type { ToolPinReports } from '../../control/tool-pin-reports.ts'
import type { Logger } from '../../log.ts'
import { openPinFile } from './pin-file.ts'
import { createPinNews } from './pin-news.ts'
import { PIN_BOUNDS, type PinBounds, PinStore, type PinStoreStats } from './pin-store.ts'
import { ToolPins } from './tool-pins.ts'

/** The pins of a sidecar, kept on disk. */
export interface OpenToolPins {
  readonly pins: Pick<ToolPins, 'check'>
  stats(): PinStoreStats & { readonly unpinned: number }
  /** Writes what waits. Never rejects. */
  close(): Promise<void>
}

/** What they need. */
export interface OpenToolPinsOptions {
  readonly dataDir: string
  readonly decisions: Pick<ToolPinDecisions, 'of' | 'isDecided' | 'version'>
  /** `null` for a sidecar that stands alone. */
  readonly reports: Pick<ToolPinReports, 'report'> | null
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Logger
  readonly bounds?: PinBounds
}

/** Opens them as the last process left them. */
export async function openToolPins(options: OpenToolPinsOptions): Promise<OpenToolPins> {
  const { dataDir, decisions, reports, clock, timers, log, bounds = PIN_BOUNDS } = options
  const store = new PinStore(bounds)
  const file = await openPinFile({ path: join(dataDir, 'tool-pins.json'), store, timers, log })
  const news = createPinNews({ reports, clock, log })
  const pins = new ToolPins({ store, onPinned: file.changed, decisions, news, clock })
  return {
    pins,
    stats: () => ({ ...store.stats(), unpinned: pins.unpinned }),
    close: file.close,
  }
}
