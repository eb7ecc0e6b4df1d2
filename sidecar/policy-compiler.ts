import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import {
  assemblePolicy,
  checkPolicy,
  type PolicyCheck,
  type PolicyFile,
  type PolicyResult,
} from '@agentcostcontrol/policy'
import { workerUrl } from './worker-url.ts'

/** Up to this many characters a folder is compiled where it is: starting a worker would take longer. */
const INLINE_CHARS_MAX = 4_096
/** The worst folder that may be read takes some ten seconds; one that takes longer is refused. */
const TIMEOUT_MS = 60_000

/**
 * Compiles a folder of policy without holding up the requests that run meanwhile: YAML takes about half a millisecond a
 * document to read, and a hostile file a second.
 * @throws if the worker ends without an answer
 */
export async function compileBeside(files: readonly PolicyFile[]): Promise<PolicyResult> {
  const chars = files.reduce((sum, { text }) => sum + text.length, 0)
  const checked = chars <= INLINE_CHARS_MAX ? checkPolicy(files) : await checkInWorker(files)
  return checked.ok ? { ok: true, policy: assemblePolicy(checked) } : checked
}

async function checkInWorker(files: readonly PolicyFile[]): Promise<PolicyCheck> {
  const worker = new Worker(workerUrl('policy-worker'), {
    workerData: files,
    resourceLimits: { maxOldGenerationSizeMb: 512 },
  })
  worker.unref()
  try {
    const [check]: PolicyCheck[] = await once(worker, 'message', { signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (!check) throw new Error('no answer')
    return check
  } catch (cause) {
    throw new Error('the policies could not be read in time or in the memory that is allowed for it', { cause })
  } finally {
    await worker.terminate()
  }
}
