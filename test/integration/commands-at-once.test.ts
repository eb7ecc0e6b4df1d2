import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ChannelAnswer } from '@agentcostcontrol/contract'
import t from 'tap'
import { uploadList, urlhaus } from '../../control-plane/test/support/intel.ts'
import { toolPinReport } from '../../control-plane/test/support/security.ts'
import { chat } from '../support/chat.ts'
import { askApi, enrol } from '../support/control-plane.ts'
import type { TestSidecar } from '../support/sidecar.ts'
import { twoReplicasFor } from '../support/two-replicas.ts'
import { until } from '../support/until.ts'

/** How long what people say may take. Of several the fastest is held to it: other tests run on the machine. */
const ARRIVES_MS = 2_000
/** A poll that nothing ends waits so long, and is then answered with nothing. */
const WAIT_MS = 25_000
const REASON = { reason: 'a test' }

/** A sidecar's end of the channel, by hand: what it was told is what it asks with. */
function channelOf(url: string, credential: string) {
  let versions = { policy: 0, leases: 0, commands: 0, threatIntel: null as string | null }
  const poll = async (waitMs: number): Promise<ChannelAnswer> => {
    const { body } = await askApi<ChannelAnswer>(`${url}/sidecar/v1/channel`, credential, {
      versions,
      refused: null,
      waitMs,
    })
    const { policy, leases, commands, threatIntel } = body
    versions = {
      policy: policy === null ? versions.policy : JSON.parse(policy.manifest).generation,
      leases: leases?.version ?? versions.leases,
      commands: commands?.version ?? versions.commands,
      threatIntel: threatIntel === undefined || threatIntel === null ? versions.threatIntel : threatIntel.version,
    }
    return body
  }
  return {
    poll,
    /** Takes what there is. */
    upToDate: () =>
      until('nothing is new', async () => {
        const { policy, leases, commands, threatIntel = null } = await poll(0)
        return [policy, leases, commands, threatIntel].every((news) => news === null) ? true : null
      }),
  }
}

/** Something that people say, and what a sidecar does then. */
interface Said {
  readonly what: string
  say(): Promise<{ readonly status: number }>
  /** The member of the poll's answer that brings it. */
  readonly news: 'commands' | 'threatIntel'
  isFollowed(sidecar: TestSidecar): Promise<boolean>
}

const isQuarantined = async ({ url }: TestSidecar): Promise<boolean> =>
  (await chat(url, { headers: { 'x-acc-agent': 'bad' } })).code === 'acc_agent_quarantined'
const decisions = ({ dataDir }: TestSidecar): string => {
  try {
    return readFileSync(join(dataDir, 'tool-pin-decisions.json'), 'utf8')
  } catch {
    return ''
  }
}

t.test(
  'whatever people say at one replica ends a poll that the other one holds, at once, and is followed by its sidecar',
  async (t) => {
    const { planes, key, sidecar, ask } = await twoReplicasFor(t)
    const running = await sidecar(1)
    const credential = await enrol(planes[1].url, key, randomUUID())
    const reports = [toolPinReport()]
    t.match(await askApi(`${planes[1].url}/sidecar/v1/tool-pins`, credential, { reports }), { body: { stored: 1 } })
    const pins = await ask<{ readonly toolPins: readonly { readonly id: number }[] }>('/security/tool-pins')
    const pin = `/security/tool-pins/${pins.body.toolPins[0]?.id}`
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    let suppression = ''
    const of = (
      what: string,
      say: Said['say'],
      isFollowed: Said['isFollowed'],
      news: Said['news'] = 'commands',
    ): Said => ({ what, say, isFollowed, news })
    const metricIs = (name: string, isRight: (value: number) => boolean) => async (each: TestSidecar) =>
      isRight(await each.metric(name))
    const all: readonly Said[] = [
      of('a quarantine', () => ask('/agents/bad/quarantine', REASON), isQuarantined),
      of(
        'a release',
        () => ask('/agents/bad/release', REASON),
        async (each) => !(await isQuarantined(each)),
      ),
      of(
        'a suppression',
        async () => {
          const made = await ask<{ readonly id: string }>('/security/suppressions', {
            detector: 'pii',
            ...REASON,
            expiresAt,
          })
          suppression = made.body.id
          return made
        },
        metricIs('acc_suppressions', (count) => count === 1),
      ),
      of(
        'its end',
        () => ask(`/security/suppressions/${suppression}`, undefined, 0, 'DELETE'),
        metricIs('acc_suppressions', (count) => count === 0),
      ),
      of(
        'a tool that is approved',
        () => ask(`${pin}/approve`, REASON),
        async (each) => decisions(each).includes('approved'),
      ),
      of(
        'a tool that is rejected',
        () => ask(`${pin}/reject`, REASON),
        async (each) => decisions(each).includes('rejected'),
      ),
      of(
        'a tool that is forgotten',
        () => ask(pin, undefined, 0, 'DELETE'),
        async (each) => decisions(each) === '[]',
      ),
      of(
        'a list of threat intelligence',
        () => uploadList(planes[0].url, key, 'haus/content?format=urlhaus', urlhaus('http://evil-files.test/a.exe')),
        metricIs('acc_threat_intel_received_entries', (count) => count > 0),
        'threatIntel',
      ),
      of(
        'its deletion',
        () => ask('/security/threat-intel/haus', undefined, 0, 'DELETE'),
        metricIs('acc_threat_intel_received_entries', (count) => count === 0),
        'threatIntel',
      ),
    ]
    const { poll, upToDate } = channelOf(planes[1].url, credential)
    const times: { readonly told: number; readonly followed: number }[] = []
    for (const { what, say, news, isFollowed } of all) {
      await upToDate()
      const waiting = poll(WAIT_MS)
      t.equal((await say()).status, 200, what)
      const saidMs = performance.now()
      const told = waiting.then((answer) => ({ answer, ms: performance.now() - saidMs }))
      await until(`${what} is followed`, async () => ((await isFollowed(running)) ? true : null))
      const followed = performance.now() - saidMs
      const { answer, ms } = await told
      t.ok(answer[news] ?? null, `${what}: told by the poll that waited, which would have ended with nothing`)
      times.push({ told: ms, followed })
      t.comment(`${what}: told ${Math.round(ms)} ms after the API's answer, followed after ${Math.round(followed)} ms`)
    }
    for (const way of ['told', 'followed'] as const)
      t.ok(Math.min(...times.map((each) => each[way])) < ARRIVES_MS, `${way} within ${ARRIVES_MS} ms`)
  },
)
