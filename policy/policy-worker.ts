/** Reads and judges a policy folder off the main thread; lives for one folder. */
import { parentPort, workerData } from 'node:worker_threads'
import { checkPolicy } from './compile.ts'
import type { PolicyCheck, PolicyFile } from './types.ts'

const files: readonly PolicyFile[] = workerData
const check: PolicyCheck = checkPolicy(files)
parentPort?.postMessage(check)
