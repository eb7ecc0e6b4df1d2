import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import OpenAI from 'openai'
import t from 'tap'
import { uploadList, urlhaus } from '../../control-plane/test/support/intel.ts'
import { readinessDetail } from '../support/admin.ts'
import { folderFor } from '../support/scope.ts'
import type { TestSidecar } from '../support/sidecar.ts'
import { inTime, timed, twoReplicasFor } from '../support/two-replicas.ts'
import { until } from '../support/until.ts'

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

const isHeld = (sidecar: TestSidecar, text: string, held: boolean) =>
  until(`${text} is ${held ? 'blocked' : 'let pass'}`, async () =>
    (await asks(sidecar, text)) === (held ? 'acc_security_blocked' : null) ? true : null,
  )

t.test(
  'a list that is uploaded at one replica blocks at the sidecar of the other within two seconds, survives the end of all of them, and is taken back',
  async (t) => {
    const { planes, plane, key, sidecar, ask } = await twoReplicasFor(t, { 'security.yaml': SECURITY })
    const ownLists = folderFor(t)
    writeFileSync(join(ownLists, 'own.txt'), 'own-list.example\n')
    const own = { ACC_THREAT_INTEL_DIR: ownLists }
    const sidecars = [await sidecar(0, undefined, own), await sidecar(1)] as const
    const [BAD, WORSE] = ['fetch http://evil-files.test/a.exe', 'fetch http://evil-files.test/b.exe']
    for (const each of sidecars) t.equal(await asks(each, BAD), null)
    const upload = (text: string, at: 0 | 1 = 0) => uploadList(planes[at].url, key, 'haus/content?format=urlhaus', text)

    t.match(await upload(urlhaus('http://evil-files.test/a.exe')), { status: 200, body: { entries: 1 } })
    const times: number[] = []
    await Promise.all(sidecars.map((each) => timed(times, isHeld(each, BAD, true))))
    inTime(t, times)
    t.equal(await asks(sidecars[0], WORSE), null)
    t.equal(await asks(sidecars[0], 'see own-list.example'), 'acc_security_blocked', 'its own folder counts as well')
    t.equal(await asks(sidecars[1], 'see own-list.example'), null)
    await readinessDetail(sidecars[1].adminUrl, 'threatIntel', /^control plane: 3 entries, version [0-9a-f]{64}$/)
    t.equal(await sidecars[1].metric('acc_threat_intel_received_entries'), 3)

    const index = join(sidecars[0].dataDir, 'threat-intel.index')
    await until('it is kept', () => (readFileSync(index).length > 40 ? true : null))
    await sidecars[0].kill()
    for (const each of planes) await each.kill()
    t.equal(await asks(sidecars[1], BAD), 'acc_security_blocked', 'while the control plane is away')
    const again = await sidecar(0, sidecars[0].dataDir, own)
    t.equal(await asks(again, BAD), 'acc_security_blocked', 'after a start without it')

    for (const each of planes) await plane(new URL(each.url).host)
    t.match(await upload(urlhaus('http://evil-files.test/b.exe'), 1), { status: 200 })
    for (const each of [again, sidecars[1]]) {
      await isHeld(each, WORSE, true)
      t.equal(await asks(each, BAD), null, 'what the list no longer has')
    }
    t.match(await ask('/security/threat-intel/haus', undefined, 0, 'DELETE'), { status: 200 })
    for (const each of [again, sidecars[1]]) await isHeld(each, WORSE, false)
    t.equal(await again.metric('acc_threat_intel_received_entries'), 0)
  },
)
