import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { checkPolicy } from './compile.ts'
import { folderProblem } from './folder.ts'
import type { PolicyCheck, PolicyFile } from './types.ts'

/** Up to this many characters a folder is checked where it is: starting a worker would take longer. */
const INLINE_CHARS_MAX = 4_096
/** The worst folder that may be read takes some ten seconds; one that takes longer is refused. */
const TIMEOUT_MS = 60_000
const HEAP_MB_MAX = 512

/** Beside this file in the checkout; beside the bundle, which has the same name, in a shipped folder. */
const WORKER = new URL(`./policy-worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)

/**
 * Checks a folder of policy without holding up what runs meanwhile: YAML takes about half a millisecond a document to
 * read, and a hostile file a second. What cannot be read in time and memory is a problem like any other. Never rejects.
 */
export async function checkBeside(files: readonly PolicyFile[]): Promise<PolicyCheck> {
  const chars = files.reduce((sum, { text }) => sum + text.length, 0)
  return chars <= INLINE_CHARS_MAX ? checkPolicy(files) : checkInWorker(files)
}

async function checkInWorker(files: readonly PolicyFile[]): Promise<PolicyCheck> {
  const worker = new Worker(WORKER, { workerData: files, resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX } })
  worker.unref()
  try {
    const [check]: PolicyCheck[] = await once(worker, 'message', { signal: AbortSignal.timeout(TIMEOUT_MS) })
    return check ?? unread('no answer')
  } catch (error) {
    return unread(error instanceof Error ? error.message : String(error))
  } finally {
    await worker.terminate()
  }
}

const unread = (reason: string): PolicyCheck => ({
  ok: false,
  problems: [
    folderProblem(`the policies could not be read in the time and the memory that are allowed for it: ${reason}`),
  ],
})
