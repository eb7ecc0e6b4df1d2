import { randomBytes } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** In the data folder. */
const FILE = 'placeholder-key'
const KEY_BYTES = 32
/** For the user of this process alone. */
const OWNER_ONLY = 0o600

/**
 * The key of this sidecar's placeholders: made once, kept in the data folder. With another one the same value gets
 * another placeholder, and a conversation that goes on has two names for it.
 * @throws if the file cannot be read or written, or holds no key
 */
export async function openPlaceholderKey(dataDir: string): Promise<Buffer> {
  const path = join(dataDir, FILE)
  const kept = await readFile(path).catch((error: unknown) => {
    if (isMissing(error)) return null
    throw error
  })
  if (kept === null) {
    const key = randomBytes(KEY_BYTES)
    await writeFile(`${path}.new`, key, { mode: OWNER_ONLY, flush: true })
    await rename(`${path}.new`, path)
    return key
  }
  if (kept.length !== KEY_BYTES)
    throw new Error(
      `${path} holds ${kept.length} bytes and no key of ${KEY_BYTES}. Put the file back as it was, or remove it: then values get new placeholders`,
    )
  return kept
}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT'
