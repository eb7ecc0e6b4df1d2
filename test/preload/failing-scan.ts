/** Loaded into a sidecar: in its scan workers a detector ends the worker, throws, never ends, spins or takes all memory, as the text says. */
import { isMainThread } from 'node:worker_threads'
import { DETECTORS } from '../../detectors/registry.ts'
import type { Detector } from '../../detectors/types.ts'

const NEVER = new Int32Array(new SharedArrayBuffer(4))
const secrets: { detect: Detector['detect'] } | undefined = DETECTORS.find(({ id }) => id === 'secrets')
if (!isMainThread && secrets) {
  const { detect } = secrets
  secrets.detect = (text, context) => {
    if (text.startsWith('scan:exit')) process.exit(1)
    if (text.startsWith('scan:throw')) throw new TypeError(`cannot scan ${text.slice(0, 60)}`)
    const kept: unknown[] = []
    while (text.startsWith('scan:memory')) kept.push(new Array(100_000).fill(kept.length))
    // A scan that hangs, and can be ended. The optimised code of an empty loop cannot.
    while (text.startsWith('scan:loop')) Atomics.wait(NEVER, 0, 0, 50)
    while (text.startsWith('scan:spin')) {}
    return detect(text, context)
  }
}
