import { secretsDetector } from './secrets/detector.ts'
import type { SelfTestedDetector } from './types.ts'

/** Every detector that exists, each under its own id; a policy names those that run. */
export const DETECTORS: readonly SelfTestedDetector[] = Object.freeze([secretsDetector])
