import type { CustomRuleDocument } from '@agentcostcontrol/contract'
import { createCustomDetector } from './custom/detector.ts'
import { DETECTORS } from './registry.ts'
import { createThreatIntelDetector } from './threat-intel/detector.ts'
import type { SelfTestedDetector } from './types.ts'

/** What detectors are made of that changes while a process runs. */
export interface DetectorEnvironment {
  /** Names all of it: the same for the same. */
  readonly key: string
  /** The indexes of threat intelligence, which all threads share. */
  readonly intel: readonly SharedArrayBuffer[]
  /** The policy's own rules. */
  readonly customRules: readonly CustomRuleDocument[]
}

/** One without anything. */
export const EMPTY_ENVIRONMENT: DetectorEnvironment = { key: '', intel: [], customRules: [] }

/** The environment in force and the one before, which a scan under way may still need. */
const KEPT_MAX = 2
const made = new Map<string, readonly SelfTestedDetector[]>()

/** Every detector that judges a text by itself, made of an environment; the same ones for the same key, in each thread. */
export function detectorsFor({ key, intel, customRules }: DetectorEnvironment): readonly SelfTestedDetector[] {
  const known = made.get(key)
  if (known) return known
  const detectors = [...DETECTORS, createThreatIntelDetector(intel), createCustomDetector(customRules)]
  const [oldest] = made.keys()
  if (made.size >= KEPT_MAX && oldest !== undefined) made.delete(oldest)
  made.set(key, detectors)
  return detectors
}
