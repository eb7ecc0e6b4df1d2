import type { Finding } from '@agentcostcontrol/contract'
import {
  createCanaryDetector,
  type Detector,
  type DetectorEnvironment,
  detectorsFor,
  forgetText,
} from '@agentcostcontrol/detectors'
import type { ScannedText } from './detect.ts'
import { type DetectorTime, DetectorTimes } from './detector-times.ts'

/** The most findings of one request that are told one by one. */
const FINDINGS_MAX = 10_000

/** All new segments of one request, scanned together: one hop a request. */
export interface ScanTask {
  readonly detectorIds: readonly string[]
  readonly canaries: readonly string[]
  readonly environment: DetectorEnvironment
  readonly segments: readonly ScannedText[]
}

/** The findings of each segment, in order. */
export interface ScanResult {
  readonly verdicts: readonly (readonly Finding[])[]
  /** False if there were too many findings to tell: the first ones are told. */
  readonly complete: boolean
}

/** What a worker tells: the findings, and what it timed since it told last. */
export interface ScanReply extends ScanResult {
  readonly times: readonly DetectorTime[]
}

const times = new DetectorTimes()

/** Runs in a piscina worker. */
export default function scan(task: ScanTask): ScanReply {
  const detectors: Detector[] = detectorsFor(task.environment).filter(({ id }) => task.detectorIds.includes(id))
  if (task.detectorIds.includes('prompt-leak')) detectors.push(createCanaryDetector(task.canaries))
  let left = FINDINGS_MAX
  let complete = true
  const verdicts = task.segments.map((segment) => {
    const findings = times.detectAll(
      detectors.filter(({ sources }) => sources.includes(segment.source)),
      segment,
    )
    const told = findings.slice(0, left)
    if (told.length < findings.length) complete = false
    left -= told.length
    return told
  })
  forgetText()
  return { verdicts, complete, times: times.take() }
}
