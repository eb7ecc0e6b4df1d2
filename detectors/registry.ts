import { dangerousCommandDetector } from './dangerous-command/detector.ts'
import { exfiltrationDetector } from './exfiltration/detector.ts'
import { jailbreakDetector } from './jailbreak/detector.ts'
import { piiDetector } from './pii/detector.ts'
import { promptInjectionDetector } from './prompt-injection/detector.ts'
import { secretsDetector } from './secrets/detector.ts'
import { createSmugglingDetector } from './smuggling/detector.ts'
import { toolPoisoningDetector } from './tool-poisoning/detector.ts'
import type { SelfTestedDetector } from './types.ts'

/** Every detector that exists, each under its own id; a policy names those that run. */
export const DETECTORS: readonly SelfTestedDetector[] = Object.freeze([
  secretsDetector,
  piiDetector,
  promptInjectionDetector,
  jailbreakDetector,
  toolPoisoningDetector,
  dangerousCommandDetector,
  exfiltrationDetector,
  // What is hidden is judged by these.
  createSmugglingDetector([secretsDetector, promptInjectionDetector, jailbreakDetector, dangerousCommandDetector]),
])
