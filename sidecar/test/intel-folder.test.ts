import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { POLICY_API_VERSION, type Segment } from '@agentcostcontrol/contract'
import { compilePolicy } from '@agentcostcontrol/policy'
import t from 'tap'
import { systemClock } from '../clock.ts'
import { createEnvironment } from '../inspect/environment.ts'
import { createScanPool } from '../inspect/pool.ts'
import { createDetectorSets } from '../inspect/scanner.ts'
import { openIntelFolder } from '../threat-intel/folder.ts'
import { silentLog } from './support/silent-log.ts'

/** Looks are asked for by the test. */
const timers = { after: () => () => {} }

const URLHAUS =
  '# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\n"1","2026-10-01","http://evil-files.test/a.exe","online","","malware_download","","",""\n'

function policyOf(literal: string) {
  const rule = {
    apiVersion: POLICY_API_VERSION,
    kind: 'CustomRule',
    metadata: { name: 'mine' },
    spec: { severity: 'high', literals: [literal] },
  }
  const security = {
    apiVersion: POLICY_API_VERSION,
    kind: 'SecurityPolicy',
    metadata: { name: 'test' },
    spec: { detectors: { 'threat-intel': {}, custom: {} }, timeoutMs: 30_000 },
  }
  const files = [rule, security].map((document, at) => ({ path: `${at}.yaml`, text: JSON.stringify(document) }))
  const compiled = compilePolicy(files)
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems))
  return compiled.policy
}

t.test(
  "what lists and rules of one's own name is found inline and in the workers alike, as soon as either changes",
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'acc-intel-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const intel = await openIntelFolder({ folder, clock: systemClock, timers, log: silentLog })
    t.teardown(intel.close)
    let policy = policyOf('Nightjar')
    const environment = createEnvironment({ policy: () => policy, intel: [intel.current] })
    const sets = createDetectorSets(environment)
    const pool = createScanPool({ threadsMax: 1, queueMax: 4, onWorkerError: () => {} })
    t.teardown(pool.close)
    const principal = { agent: null, workflow: null, session: null, task: null, tags: {} }
    const filler = 'clean text '.repeat(1_000)

    async function rules(text: string): Promise<readonly string[]> {
      const security = policy.securityFor(principal, null)
      if (security === null) throw new Error('no policy holds')
      const set = sets(security)
      const found = async (whole: string): Promise<readonly string[]> => {
        const segments: Segment[] = [{ source: 'user', path: ['x'], text: whole }]
        const units = set.detectors.flatMap((detector) => detector.detect(whole, { source: 'user' }))
        const { verdicts } = await pool.run(
          { detectorIds: set.ids, canaries: [], environment: set.environment, segments },
          30_000,
        )
        t.same(verdicts.flat(), units, 'workers find the same')
        return units.map(({ detectorId, ruleId }) => `${detectorId}/${ruleId}`)
      }
      t.same(await found(filler + text), await found(text))
      return found(text)
    }

    const text = 'Nightjar fetches http://evil-files.test/a.exe for Swift'
    t.same(await rules(text), ['custom/mine'])
    writeFileSync(join(folder, 'urlhaus.csv'), URLHAUS)
    await intel.look()
    t.same(await rules(text), ['threat-intel/url', 'custom/mine'])
    t.match(intel.stats(), { loads: 2, failures: 0 })
    policy = policyOf('Swift')
    t.same(await rules('Nightjar'), [])
    t.same(await rules('Swift'), ['custom/mine'])
    writeFileSync(join(folder, 'warning.json'), '{"type":"string","list":["http://evil-files.test/a.exe"]}')
    await intel.look()
    t.same(await rules(text), ['custom/mine'])
  },
)

t.test(
  'a folder that cannot be read leaves the last good index in force, is told once, and is looked at again',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'acc-intel-'))
    writeFileSync(join(folder, 'urlhaus.csv'), URLHAUS)
    const intel = await openIntelFolder({ folder, clock: systemClock, timers, log: silentLog })
    t.teardown(intel.close)
    const before = intel.current()
    t.ok(before)
    rmSync(folder, { recursive: true })
    await intel.look()
    await intel.look()
    t.equal(intel.current(), before)
    t.match(intel.stats(), { loads: 1, failures: 1 })
  },
)
