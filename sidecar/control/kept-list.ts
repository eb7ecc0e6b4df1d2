import { readFile } from 'node:fs/promises'
import type * as z from 'zod'
import { createKeptFile } from '../kept-file.ts'
import type { Logger } from '../log.ts'

/** Something on disk that changes often: one write at a time, and what changed meanwhile in the next. */
export interface KeptList {
  /** Writes it as it is when its turn comes; resolves when the next start knows it. Never rejects. */
  keep(): Promise<void>
  close(): void
}

/** Makes its keeper. @param what names it in the log @param text what is to be written, now */
export function createKeptList(path: string, what: string, log: Logger, text: () => string): KeptList {
  const file = createKeptFile(path, what, log)
  let changed = false
  let saving: Promise<void> | null = null
  const save = async (): Promise<void> => {
    while (changed) {
      changed = false
      await file.keep(text())
    }
  }
  return {
    keep: () => {
      changed = true
      saving ??= save().finally(() => {
        saving = null
      })
      return saving
    },
    close: file.close,
  }
}

/** What the last process left; `null` where there is nothing, or nothing whole, which the log is told. */
export async function readKeptList<S extends z.ZodType>(
  path: string,
  what: string,
  log: Logger,
  schema: S,
): Promise<z.infer<S> | null> {
  const text = await readFile(path, 'utf8').catch(() => null)
  if (text === null) return null
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    log.error(`${what} is not known: the file is not whole; what the control plane says of it comes again`, {
      file: path,
    })
    return null
  }
}
