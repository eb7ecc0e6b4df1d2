import type { ToolDefinition } from './definition.ts'
import { LikenessIndex } from './pieces.ts'
import type { Pin, PinnedTools } from './pin-store.ts'

/** New names of one request that are held against tools that went away. */
const RENAMES_MAX = 512

/** A tool that went away. */
export interface Former {
  readonly tool: string
  readonly pin: Pin
}

/** Finds the tool that a new one was before: pinned, not in the request, and much like it. */
export function createFormerOf(
  pinned: PinnedTools,
  present: ReadonlySet<string>,
): (read: ToolDefinition) => Former | null {
  let index: LikenessIndex | null = null
  let gone: readonly Former[] = []
  let asked = 0
  return (read) => {
    if (++asked > RENAMES_MAX) return null
    if (!index) {
      gone = [...pinned].flatMap(([tool, pins]) => (present.has(tool) ? [] : pins.map((pin) => ({ tool, pin }))))
      index = new LikenessIndex(gone.map(({ pin }) => pin))
    }
    return gone[index.find(read)] ?? null
  }
}
