import { mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errorFields, type Logger } from './log.ts'

/** A file that holds what the next start needs: written whole or not at all, and again until it is. */
export interface KeptFile {
  /** Writes it; what could not be written is tried again, unless something newer came. Never rejects. */
  keep(text: string): Promise<void>
  close(): void
}

/** How long after it could not be written it is tried again. */
const AGAIN_MS = 500

/** Makes the file's keeper. @param what names it in the log */
export function createKeptFile(path: string, what: string, log: Logger): KeptFile {
  let again: NodeJS.Timeout | null = null
  const keep = async (text: string): Promise<void> => {
    if (again) clearTimeout(again)
    try {
      await mkdir(dirname(path), { recursive: true })
      await writeFile(`${path}.new`, text, { flush: true })
      await rename(`${path}.new`, path)
      again = null
    } catch (error) {
      if (again === null)
        log.warn(`${what} could not be kept for the next start; it is tried again`, errorFields(error))
      again = setTimeout(() => void keep(text), AGAIN_MS)
      again.unref()
    }
  }
  return {
    keep,
    close: () => {
      if (again) clearTimeout(again)
    },
  }
}
