import { type Finding, SEGMENT_SOURCES } from '@agentcostcontrol/contract'
import { mergeFindings } from '../redact.ts'
import type { SelfTestedDetector } from '../types.ts'
import { findFiles } from './files.ts'
import { findHosts } from './hosts.ts'
import { CANARY_HOST, createIndexBuilder } from './index-builder.ts'
import { ThreatIndex } from './index-reader.ts'
import { HOLD_CHARS_MAX, openFrom } from './open-from.ts'
import { findDependencies, findInstalls } from './packages.ts'
import { findUnusual } from './unusual.ts'

/** Raised by hand when the code comes to decide otherwise; the index has a version of its own. */
const ENGINE_VERSION = 1

/**
 * Finds what threat-intelligence lists name: docs/threat-intel.md tells how. Without lists it finds its canary alone.
 * @param buffers indexes as the builder makes them, each looked at; none is as good as an empty one
 * @throws RangeError for one that is not whole
 */
export function createThreatIntelDetector(buffers: readonly SharedArrayBuffer[]): SelfTestedDetector {
  const indexes = (buffers.length === 0 ? [createIndexBuilder().build()] : buffers).map(
    (buffer) => new ThreatIndex(buffer),
  )
  return {
    id: 'threat-intel',
    sources: SEGMENT_SOURCES,
    grades: null,
    rulesOff: [],
    version: [ENGINE_VERSION, ...indexes.map(({ version }) => version)].join('-'),
    holdCharsMax: HOLD_CHARS_MAX,
    detect: (text, { source }) => {
      const findings: Finding[] = []
      for (const index of indexes) {
        findHosts(index, text, findings)
        findUnusual(index, text, findings)
        if (index.hasFiles) findFiles(index, text, findings)
        if (index.hasPackages) findInstalls(index, text, findings)
        if (index.hasPackages && source === 'tool_call') findDependencies(index, text, findings)
      }
      return mergeFindings(findings)
    },
    openFrom,
    canary: () => `See https://${CANARY_HOST}/start for more`,
  }
}
