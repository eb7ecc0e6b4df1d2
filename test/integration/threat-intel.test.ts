import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import OpenAI from 'openai'
import t from 'tap'
import { clusterFor } from '../../control-plane/test/support/database.ts'
import { uploadList, urlhaus } from '../../control-plane/test/support/intel.ts'
import { readinessDetail } from '../support/admin.ts'
import { askApi, controlPlaneFor, type TestControlPlane } from '../support/control-plane.ts'
import { folderFor } from '../support/scope.ts'
import { AMPLE_BUDGET, sidecarFor, type TestSidecar, withPolicy, writePolicies } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

/** From the answer to an upload until a sidecar of another replica holds requests to it. */
const ARRIVES_MS = 2_000
const BACK_MS = 15_000
const ALL = '{ low: block, medium: block, high: block, critical: block }'
const SECURITY = `apiVersion: agentcostcontrol.io/v1
kind: SecurityPolicy
metadata: { name: test }
spec: { detectors: { threat-intel: { request: ${ALL}, response: ${ALL} } } }`

/** Asks by the official client. @returns the code of a refusal, `null` for an answer */
async function asks(sidecar: TestSidecar, text: string): Promise<unknown> {
  const client = new OpenAI({ baseURL: `${sidecar.url}/openai/v1`, apiKey: 'any', maxRetries: 0 })
  try {
    await client.chat.completions.create({ model: 'gpt-4.1-mini', messages: [{ role: 'user', content: text }] })
    return null
  } catch (error) {
    if (error instanceof OpenAI.APIError) return error.code
    throw error
  }
}

const isHeld = (sidecar: TestSidecar, text: string, held: boolean, timeoutMs = ARRIVES_MS) =>
  until(
    `${text} is ${held ? 'blocked' : 'let pass'}`,
    async () => ((await asks(sidecar, text)) === (held ? 'acc_security_blocked' : null) ? true : null),
    timeoutMs,
  )

t.test(
  'a list that is uploaded at one replica blocks at the sidecar of the other within two seconds, survives the end of all of them, and is taken back',
  async (t) => {
    const simulator = await simulatorFor(t)
    const databaseUrl = await (await clusterFor(t))()
    const policyDir = folderFor(t)
    writePolicies(policyDir, { 'budget.yaml': AMPLE_BUDGET, 'security.yaml': SECURITY })
    const tokenFile = join(folderFor(t), 'token')
    const ownLists = folderFor(t)
    writeFileSync(join(ownLists, 'own.txt'), 'own-list.example\n')
    const plane = (listen = '127.0.0.1:0'): Promise<TestControlPlane> =>
      controlPlaneFor(t, {
        policyDir,
        env: {
          DATABASE_URL: databaseUrl,
          CONTROL_PLANE_ENROLMENT_TOKEN_FILE: tokenFile,
          CONTROL_PLANE_LISTEN: listen,
        },
      })
    const planes = [await plane(), await plane()] as const
    const key = planes.map(({ adminKey }) => adminKey).find((each) => each !== null) ?? ''
    const sidecar = (at: 0 | 1, dataDir?: string): Promise<TestSidecar> =>
      withPolicy(
        sidecarFor(t, {
          upstream: `${simulator.url}/v1`,
          env: {
            ACC_CONTROL_PLANE_URL: planes[at].url,
            ACC_CONTROL_PLANE_TOKEN_FILE: tokenFile,
            ...(at === 0 ? { ACC_THREAT_INTEL_DIR: ownLists } : {}),
          },
          ...(dataDir === undefined ? {} : { dataDir }),
        }),
      )
    const sidecars = [await sidecar(0), await sidecar(1)] as const
    const [BAD, WORSE] = ['fetch http://evil-files.test/a.exe', 'fetch http://evil-files.test/b.exe']
    for (const each of sidecars) t.equal(await asks(each, BAD), null)
    const upload = (text: string, at: 0 | 1 = 0) => uploadList(planes[at].url, key, 'haus/content?format=urlhaus', text)

    t.match(await upload(urlhaus('http://evil-files.test/a.exe')), { status: 200, body: { entries: 1 } })
    const answeredMs = performance.now()
    for (const each of [...sidecars].reverse()) await isHeld(each, BAD, true)
    t.comment(`blocked at both ${Math.round(performance.now() - answeredMs)} ms after the answer`)
    t.equal(await asks(sidecars[0], WORSE), null)
    t.equal(await asks(sidecars[0], 'see own-list.example'), 'acc_security_blocked', 'its own folder counts as well')
    t.equal(await asks(sidecars[1], 'see own-list.example'), null)
    await readinessDetail(sidecars[1].adminUrl, 'threatIntel', /^control plane: 3 entries, version [0-9a-f]{64}$/)
    t.equal(await sidecars[1].metric('acc_threat_intel_received_entries'), 3)

    const index = join(sidecars[0].dataDir, 'threat-intel.index')
    await until('it is kept', () => (readFileSync(index).length > 40 ? true : null), ARRIVES_MS)
    await sidecars[0].kill()
    for (const each of planes) await each.kill()
    t.equal(await asks(sidecars[1], BAD), 'acc_security_blocked', 'while the control plane is away')
    const again = await sidecar(0, sidecars[0].dataDir)
    t.equal(await asks(again, BAD), 'acc_security_blocked', 'after a start without it')

    for (const each of planes) await plane(new URL(each.url).host)
    t.match(await upload(urlhaus('http://evil-files.test/b.exe'), 1), { status: 200 })
    for (const each of [again, sidecars[1]]) {
      await isHeld(each, WORSE, true, BACK_MS)
      t.equal(await asks(each, BAD), null, 'what the list no longer has')
    }
    const path = `${planes[0].url}/api/v1/security/threat-intel/haus`
    t.match(await askApi(path, key, undefined, 'DELETE'), { status: 200 })
    for (const each of [again, sidecars[1]]) await isHeld(each, WORSE, false)
    t.equal(await again.metric('acc_threat_intel_received_entries'), 0)
  },
)
