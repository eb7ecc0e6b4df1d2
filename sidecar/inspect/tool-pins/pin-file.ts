import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import type { Timers } from '../../clock.ts'
import { createKeptList } from '../../control/kept-list.ts'
import type { Logger } from '../../log.ts'
import type { Pin, PinnedTools, PinStore } from './pin-store.ts'

/** Keeps the pins on disk. */
export interface PinFile {
  /** Some changed: they are written a second later, all together. */
  changed(): void
  /** Writes at once what waits. Never rejects. */
  close(): Promise<void>
}

/** What it needs. */
export interface PinFileOptions {
  readonly path: string
  readonly store: PinStore
  readonly timers: Timers
  readonly log: Logger
}

const WHAT = 'pins of tools'
/** A kill -9 loses no more than what was pinned in this time. */
const GATHER_MS = 1_000

const numbers = z.array(z.tuple([z.int(), z.int()]).readonly()).readonly()
const pinSchema = z.strictObject({
  hash: z.string(),
  leaves: z.array(z.tuple([z.string(), z.int()]).readonly()).readonly(),
  description: numbers,
  pieces: numbers,
})
const keptSchema = z.array(
  z.strictObject({
    agent: z.string(),
    tools: z.array(z.strictObject({ tool: z.string(), pins: z.array(pinSchema) })),
  }),
)

/** Puts what the last process left into the store, and keeps what comes. */
export async function openPinFile({ path, store, timers, log }: PinFileOptions): Promise<PinFile> {
  const text = await readFile(path, 'utf8').catch(() => null)
  if (text !== null)
    fill(store, text, () =>
      log.error(`${WHAT} are not known: the file is not whole; tools are pinned anew as they are seen`, { file: path }),
    )
  // Of a busy sidecar one agent changes, and the others are as they were.
  let written = new Map<string, { readonly epoch: number; readonly text: string }>()
  const kept = createKeptList(path, WHAT, log, () => {
    const now: typeof written = new Map()
    for (const [agent, epoch, tools] of store.entries()) {
      const known = written.get(agent)
      now.set(agent, known?.epoch === epoch ? known : { epoch, text: textOf(agent, tools) })
    }
    written = now
    return `[${[...now.values()].map((each) => each.text).join(',\n')}]\n`
  })
  let callOff: (() => void) | null = null
  const save = (): Promise<void> => {
    callOff?.()
    callOff = null
    return kept.keep()
  }
  return {
    changed: () => {
      callOff ??= timers.after(GATHER_MS, () => void save())
    },
    close: async () => {
      if (callOff) await save()
      kept.close()
    },
  }
}

function fill(store: PinStore, text: string, onBroken: () => void): void {
  try {
    for (const { agent, tools } of keptSchema.parse(JSON.parse(text)))
      store.add(agent, new Map(tools.map(({ tool, pins }) => [tool, pins.map(pinOf)] as const)))
  } catch {
    onBroken()
  }
}

const pinOf = ({ hash, leaves, description, pieces }: z.infer<typeof pinSchema>): Pin => ({
  hash,
  leaves: new Map(leaves),
  description: new Map(description),
  pieces: new Map(pieces),
})

const textOf = (agent: string, tools: PinnedTools): string =>
  JSON.stringify({
    agent,
    tools: [...tools].map(([tool, pins]) => ({
      tool,
      pins: pins.map(({ hash, leaves, description, pieces }) => ({
        hash,
        leaves: [...leaves],
        description: [...description],
        pieces: [...pieces],
      })),
    })),
  })
