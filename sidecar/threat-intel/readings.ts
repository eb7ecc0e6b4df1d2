import type { Clock } from '../clock.ts'
import type { Reading } from '../metrics.ts'
import type { ReceivedIntel, ReceivedStats } from './received.ts'

const NONE: ReceivedStats = {
  version: null,
  entries: 0,
  builtAtMs: null,
  results: { taken: 0, refused: 0, failed: 0 },
}

/** What came of the control plane's threat intelligence. @param received `null` while the sidecar stands alone */
export function receivedReadings(
  received: Pick<ReceivedIntel, 'stats'> | null,
  clock: Pick<Clock, 'nowMs'>,
): readonly Reading[] {
  const stats = (): ReceivedStats => received?.stats() ?? NONE
  return [
    {
      name: 'acc_threat_intel_received_info',
      help: '1 for the control plane’s index in force; version "none" while there is none',
      kind: 'info',
      label: 'version',
      read: () => stats().version ?? 'none',
    },
    {
      name: 'acc_threat_intel_received_entries',
      help: 'Entries of the control plane’s index',
      kind: 'gauge',
      read: () => stats().entries,
    },
    {
      name: 'acc_threat_intel_received_age_seconds',
      help: 'Since the control plane’s index was built',
      kind: 'gauge',
      read: () => {
        const { builtAtMs } = stats()
        return builtAtMs === null ? 0 : Math.max(0, clock.nowMs() - builtAtMs) / 1_000
      },
    },
    {
      name: 'acc_threat_intel_received_total',
      help: 'Indexes of the control plane that were taken, refused, or not fetched',
      kind: 'series',
      labels: ['result'],
      read: () => Object.entries(stats().results).map(([result, value]) => ({ labels: [result], value })),
    },
  ]
}
