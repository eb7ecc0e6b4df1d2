/** The bounds that the project promises for the shipped JavaScript, started as the image starts it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { chat } from '../support/chat.ts'
import { followBuildStage, type Instruction, mallocSettings, readDockerfile, said } from '../support/image.ts'
import { inCheckout } from '../support/paths.ts'
import { sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'

const MB = 1_000_000
const IDLE_BYTES_MAX = 130 * MB
const STREAMS_BYTES_MAX = 180 * MB
const STREAMS = 100

/** How often it is measured: a machine that is busy with other things lets garbage lie. */
const TRIES_MAX = 3

/** Resident bytes. */
interface Memory {
  readonly idle: number
  readonly most: number
}

const isWithin = ({ idle, most }: Memory): boolean => idle <= IDLE_BYTES_MAX && most <= STREAMS_BYTES_MAX

t.test(
  'the shipped sidecar stays within 130 MB idle and 180 MB with 100 streams',
  {
    skip: process.platform === 'linux' ? false : 'resident memory is read from /proc',
  },
  async (t) => {
    const [build = [], image = []] = readDockerfile(inCheckout('sidecar/Dockerfile'))
    const app = followBuildStage(t, build)
    const seen: Memory[] = []
    while (!seen.some(isWithin) && seen.length < TRIES_MAX) seen.push(await measure(t, app, image))
    const told = seen
      .map(({ idle, most }) => `${Math.round(idle / MB)} MB idle, ${Math.round(most / MB)} MB`)
      .join('; ')
    t.ok(seen.some(isWithin), `with ${STREAMS} streams and a scan worker: ${told}`)
  },
)

async function measure(t: Test, app: string, image: readonly Instruction[]): Promise<Memory> {
  const [, ...words]: readonly string[] = JSON.parse(said(image, 'CMD'))
  const simulator = await simulatorFor(t, { recordRequests: false })
  const sidecar = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    entry: join(app, words.at(-1) ?? ''),
    nodeArgs: words.slice(0, -1),
    policyDir: join(app, 'policies/starter'),
    env: mallocSettings(image),
  })
  const idle = residentBytes(sidecar.pid)

  const long = Array.from({ length: 25_000 }, (_, index) => `word${index}`).join(' ')
  t.equal((await chat(sidecar.url, { body: { messages: [{ role: 'user', content: long }] } })).status, 200)

  // All begin before the first can end: its 60 chunks take three seconds.
  const paced = { 'x-sim-output-tokens': '60', 'x-sim-chunk-delay-ms': '50' }
  const body = JSON.stringify({
    model: 'gpt-4.1-mini',
    stream: true,
    max_tokens: 60,
    messages: [{ role: 'user', content: 'go on' }],
  })
  const headers = { authorization: 'Bearer any', 'content-type': 'application/json', ...paced }
  const url = `${sidecar.url}/openai/v1/chat/completions`
  const streams = await Promise.all(
    Array.from({ length: STREAMS }, () => fetch(url, { method: 'POST', headers, body })),
  )
  const texts = Promise.all(streams.map((stream) => stream.text()))
  let [most, running] = [0, true]
  void texts.finally(() => {
    running = false
  })
  t.equal(await sidecar.metric('acc_requests_in_flight'), STREAMS, 'all of them at once')
  while (running) {
    most = Math.max(most, residentBytes(sidecar.pid))
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  for (const text of await texts) t.match(text, /data: \[DONE\]\n\n$/)
  t.equal(await sidecar.stop(), 0)
  return { idle, most }
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024
}
