import { FINDING_ACTIONS, type FindingAction, type SegmentSource } from '@agentcostcontrol/contract'
import { DETECTORS, type SelfTestedDetector } from '@agentcostcontrol/detectors'
import type { Test } from 'tap'
import { OLLAMA_POLICY } from '../../support/ollama.ts'
import { AMPLE_BUDGET } from '../../support/sidecar.ts'
import { type Twins, twinsFor } from '../../support/twins.ts'
import { args, type Format, type Talk } from './formats.ts'

/** Every detector × action × source × streamed or not, through a sidecar, by the official client of one wire format. */

const ACTIONS = FINDING_ACTIONS.filter((action) => action !== 'allow')
/** Requests that run at once. */
const AT_ONCE = 6
const QUIET: Talk = {
  system: 'You are a helpful assistant.',
  user: 'Please read the note.',
  assistant: 'I will.',
  tool_definition: 'Sends a note.',
  tool_call: 'hello',
  tool_result: 'It was sent.',
}

interface Cell {
  readonly detector: SelfTestedDetector
  readonly action: FindingAction
  readonly format: Format
  readonly source: SegmentSource
  readonly streamed: boolean
  readonly direction: 'request' | 'response'
}

/** One policy for each detector and action, chosen by the workflow's name. */
const workflowOf = ({ id }: SelfTestedDetector, action: FindingAction): string => `${id}-${action}`

function policyOf(detector: SelfTestedDetector, action: FindingAction): string {
  const all = { low: action, medium: action, high: action, critical: action }
  const workflow = workflowOf(detector, action)
  return JSON.stringify({
    apiVersion: 'agentcostcontrol.io/v1',
    kind: 'SecurityPolicy',
    metadata: { name: workflow },
    spec: {
      selector: { workflow },
      detectors: { [detector.id]: { request: all, response: all } },
      timeoutMs: 60_000,
    },
  })
}

const policies = Object.fromEntries(
  DETECTORS.flatMap((detector) =>
    ACTIONS.map((action) => [`${workflowOf(detector, action)}.yaml`, policyOf(detector, action)]),
  ),
)

const cellsOf = (format: Format): readonly Cell[] =>
  DETECTORS.flatMap((detector) =>
    ACTIONS.flatMap((action) =>
      [false, true].flatMap((streamed) =>
        detector.sources.flatMap((source) => {
          const cell = { detector, action, format, source, streamed }
          const request: Cell = { ...cell, direction: 'request' }
          return isAnswered(source) ? [request, { ...cell, direction: 'response' } satisfies Cell] : [request]
        }),
      ),
    ),
  )

const isAnswered = (source: SegmentSource): boolean => source === 'assistant' || source === 'tool_call'

/** The matched text, as it reads within JSON; `null` where the finding is the whole of what is there. */
function matchedOf({ detector, source }: Cell): string {
  const canary = detector.canary()
  const [found] = detector.detect(canary, { source })
  return JSON.stringify(canary.slice(found?.start, found?.end)).slice(1, -1)
}

const simHeaders = ({ detector, source, direction }: Cell): Readonly<Record<string, string>> => {
  if (direction === 'request') return { 'x-sim-reply': 'Done.' }
  const canary = detector.canary()
  return source === 'assistant'
    ? { 'x-sim-reply': encodeURIComponent(canary) }
    : { 'x-sim-tool-call': encodeURIComponent(JSON.stringify(args(canary))) }
}

async function run(t: Test, { sidecar, behind }: Twins, cell: Cell): Promise<void> {
  const { detector, action, format, source, streamed, direction } = cell
  const name = [detector.id, action, format.operation(streamed), source, streamed ? 'stream' : 'plain', direction].join(
    ' ',
  )
  const talk = direction === 'request' ? { ...QUIET, [source]: detector.canary() } : QUIET
  // Each an agent of its own: one that is quarantined is heard no more.
  const who = { 'x-acc-agent': name, 'x-acc-workflow': workflowOf(detector, action) }
  const headers = { ...who, ...simHeaders(cell) }
  const told = await format.ask({ url: sidecar.url, tag: name, talk, streamed, headers }).then(
    (text) => ({ ok: true, text }),
    (error: unknown) => ({ ok: false, text: String(error) }),
  )
  const stops = action === 'block' || action === 'quarantine'
  // What reaches over the JSON around it cannot be taken out of it, and is blocked.
  const mayStop = action === 'redact' && (source === 'tool_definition' || source === 'tool_call')
  if (told.ok === stops && !(mayStop && told.text.includes('Blocked by the security policy')))
    t.fail(`${name}: ${told.ok ? 'went through' : told.text.slice(0, 300)}`)
  const sent = behind.requests().filter(({ rawHeaders }) => rawHeaders.includes(name))
  if (direction === 'request' && stops && sent.length > 0) t.fail(`${name}: it was sent`)
  if (action === 'redact' && sent.some(({ body }) => direction === 'request' && body.includes(matchedOf(cell))))
    t.fail(`${name}: the provider was shown it`)
  const shows = told.text.includes(matchedOf(cell))
  if (direction === 'response' && shows && (stops || action === 'redact')) t.fail(`${name}: the client was shown it`)
  if (stops && direction === 'request' && !told.text.includes(detector.id))
    t.fail(`${name}: ${told.text.slice(0, 200)}`)
}

/** What an event of a cell says of its finding. */
const kindOf = ({ detector, action, format, source, streamed, direction }: Cell): string =>
  [detector.id, action, format.operation(streamed), source, streamed ? 'stream' : 'plain', direction].join(' ')

/** Asks everything of one format, and holds that each is done, told and counted. */
export async function holdsInFormat(t: Test, format: Format): Promise<void> {
  const twins = await twinsFor(t, {
    policies: { 'budget.yaml': AMPLE_BUDGET, 'ollama.yaml': OLLAMA_POLICY, ...policies },
  })
  const cells = cellsOf(format)
  const queue = [...cells]
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let cell = queue.pop(); cell; cell = queue.pop()) await run(t, twins, cell)
    }),
  )
  const { sidecar } = twins
  const events = await sidecar.events(cells.length)
  const found = new Set(
    events.flatMap(({ findings, operation, streamed }) =>
      findings.map(({ detectorId, action, direction, detail }) =>
        [detectorId, action, operation, detail?.source, streamed ? 'stream' : 'plain', direction].join(' '),
      ),
    ),
  )
  for (const cell of cells) t.ok(found.has(kindOf(cell)), kindOf(cell))
  for (const { detector, source, streamed } of cells.filter(({ action }) => action === 'alert')) {
    const labels = { detector: detector.id, format: format.operation(streamed), source }
    for (const way of ['request', ...(isAnswered(source) ? [streamed ? 'response_stream' : 'response'] : [])])
      t.ok((await sidecar.metric('acc_scan_segments_total', { ...labels, way })) > 0, `${Object.values(labels)} ${way}`)
  }
}
