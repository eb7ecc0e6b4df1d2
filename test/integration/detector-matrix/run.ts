import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DETECTOR_IDS, FINDING_ACTIONS, type FindingAction, type SegmentSource } from '@agentcostcontrol/contract'
import type { Test } from 'tap'
import { OLLAMA_POLICY } from '../../support/ollama.ts'
import { folderFor } from '../../support/scope.ts'
import { AMPLE_BUDGET } from '../../support/sidecar.ts'
import { type Twins, twinsFor } from '../../support/twins.ts'
import { args, type Format, type Talk } from './formats.ts'
import { CANARY_TEXT, CUSTOM_RULE, LISTED_HOST, SUBJECTS, type Subject } from './subjects.ts'

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

/** Cells that one request can show: in all those texts the same is found. */
interface Cells {
  readonly subject: Subject
  readonly action: FindingAction
  readonly format: Format
  readonly streamed: boolean
  readonly direction: 'request' | 'response'
  readonly sources: readonly [SegmentSource, ...SegmentSource[]]
}

/** One policy for each detector and action, chosen by the workflow's name. */
const workflowOf = ({ id }: Subject, action: FindingAction): string => `${id}-${action}`

function policyOf(subject: Subject, action: FindingAction): string {
  const all = (each: string) => ({ low: each, medium: each, high: each, critical: each })
  const { id, beside } = subject
  const workflow = workflowOf(subject, action)
  return JSON.stringify({
    apiVersion: 'agentcostcontrol.io/v1',
    kind: 'SecurityPolicy',
    metadata: { name: workflow },
    spec: {
      selector: { workflow },
      detectors: {
        [id]: { request: all(action), response: all(action) },
        ...(beside === undefined ? {} : { [beside]: { request: all('allow'), response: all('allow') } }),
      },
      canaries: [CANARY_TEXT],
      timeoutMs: 60_000,
    },
  })
}

const policies = Object.fromEntries(
  SUBJECTS.flatMap((subject) =>
    ACTIONS.map((action) => [`${workflowOf(subject, action)}.yaml`, policyOf(subject, action)]),
  ),
)

const stops = (action: FindingAction): boolean => action === 'block' || action === 'quarantine'

/** What reaches over the JSON around it cannot be taken out of it, and is blocked. */
const mayStop = (cells: Omit<Cells, 'sources'>, source: SegmentSource): boolean =>
  (cells.action === 'redact' && (source === 'tool_definition' || source === 'tool_call')) ||
  actionOn(cells, source) !== cells.action

/** What is done: of a streamed text that is not held nothing can be taken out. */
const actionOn = (
  { subject, action, streamed, direction }: Omit<Cells, 'sources'>,
  source: SegmentSource,
): FindingAction => {
  const passes = subject.passesText === true && streamed && direction === 'response' && source === 'assistant'
  return action === 'redact' && passes ? 'block' : action
}

/** Cells by the request that shows them: alone where it may be stopped. */
const cellsOf = (format: Format): readonly Cells[] =>
  SUBJECTS.flatMap((subject) =>
    ACTIONS.flatMap((action) =>
      [false, true].flatMap((streamed) => {
        const request = { subject, action, format, streamed, direction: 'request' } as const
        const isAlone = (source: SegmentSource): boolean => stops(action) || mayStop(request, source)
        const [first, ...others] = subject.request.filter((source) => !isAlone(source))
        return [
          ...(first === undefined ? [] : [{ ...request, sources: [first, ...others] } satisfies Cells]),
          ...subject.request.filter(isAlone).map((source): Cells => ({ ...request, sources: [source] })),
          ...subject.response.map((source): Cells => ({ ...request, direction: 'response', sources: [source] })),
        ]
      }),
    ),
  )

const kindOf = ({ subject, action, format, streamed, direction }: Cells, source: SegmentSource): string =>
  [subject.id, action, format.operation(streamed), source, streamed ? 'stream' : 'plain', direction].join(' ')

function simHeaders({ subject, direction, sources: [source] }: Cells): Readonly<Record<string, string>> {
  if (direction === 'request') return { 'x-sim-reply': 'Done.' }
  const text = subject.sample(source)
  return source === 'assistant'
    ? { 'x-sim-reply': encodeURIComponent(text) }
    : { 'x-sim-tool-call': encodeURIComponent(JSON.stringify(args(text))) }
}

async function run(t: Test, { sidecar, behind }: Twins, cells: Cells): Promise<void> {
  const { subject, action, format, streamed, direction, sources } = cells
  const name = sources.map((source) => kindOf(cells, source)).join(', ')
  // Each an agent of its own: one that is quarantined is heard no more.
  const agent = kindOf(cells, sources[0])
  const who = { 'x-acc-agent': agent, 'x-acc-session': agent, 'x-acc-workflow': workflowOf(subject, action) }
  const ask = (tag: string, said: Partial<Talk>, headers: Readonly<Record<string, string>>) =>
    format.ask({ url: sidecar.url, tag, talk: { ...QUIET, ...said }, streamed, headers: { ...who, ...headers } })
  if (subject.before) await ask(`${agent}, before`, subject.before, { 'x-sim-reply': 'I see.' })
  const said = Object.fromEntries(sources.map((source) => [source, subject.sample(source)]))
  const told = await ask(agent, direction === 'request' ? said : {}, simHeaders(cells)).then(
    (text) => ({ ok: true, text }),
    (error: unknown) => ({ ok: false, text: String(error) }),
  )
  const isStopped = mayStop(cells, sources[0]) && told.text.includes('Blocked by the security policy')
  if (told.ok === stops(action) && !isStopped) t.fail(`${name}: ${told.ok ? 'went through' : told.text.slice(0, 300)}`)
  const sent = behind.requests().filter(({ rawHeaders }) => rawHeaders.includes(agent) && !isBefore(rawHeaders))
  if (direction === 'request' && stops(action) && sent.length > 0) t.fail(`${name}: it was sent`)
  const isShown = (text: string | Buffer): boolean => sources.some((source) => text.includes(subject.matched(source)))
  if (action === 'redact' && direction === 'request' && sent.some(({ body }) => isShown(body)))
    t.fail(`${name}: the provider was shown it`)
  if (direction === 'response' && (stops(action) || action === 'redact') && isShown(told.text))
    t.fail(`${name}: the client was shown it`)
  if (stops(action) && direction === 'request' && !told.text.includes(subject.id))
    t.fail(`${name}: ${told.text.slice(0, 200)}`)
}

const isBefore = (rawHeaders: readonly string[]): boolean => rawHeaders.some((value) => value.endsWith(', before'))

/** Asks everything of one format, and holds that each is done, told and counted. */
export async function holdsInFormat(t: Test, format: Format): Promise<void> {
  const lists = folderFor(t)
  writeFileSync(join(lists, 'list.txt'), `${LISTED_HOST}\n`)
  const twins = await twinsFor(t, {
    policies: { 'budget.yaml': AMPLE_BUDGET, 'ollama.yaml': OLLAMA_POLICY, 'rule.yaml': CUSTOM_RULE, ...policies },
    env: { ACC_THREAT_INTEL_DIR: lists },
  })
  t.same(SUBJECTS.map(({ id }) => id).sort(), [...DETECTOR_IDS].sort(), 'of every detector there is')
  const all = cellsOf(format)
  const queue = [...all]
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let cells = queue.pop(); cells; cells = queue.pop()) await run(t, twins, cells)
    }),
  )
  const { sidecar } = twins
  const events = await sidecar.events(all.reduce((sum, { subject }) => sum + (subject.before ? 2 : 1), 0))
  const found = new Set(
    events.flatMap(({ findings, operation, streamed }) =>
      findings.map(({ detectorId, action, direction, detail }) =>
        [detectorId, action, operation, detail?.source, streamed ? 'stream' : 'plain', direction].join(' '),
      ),
    ),
  )
  for (const cells of all)
    for (const source of cells.sources) {
      const kind = kindOf({ ...cells, action: actionOn(cells, source) }, source)
      t.ok(found.has(kind), kind)
    }
  await isCounted(t, twins, format)
}

/** Holds that the coverage counters say so. */
async function isCounted(t: Test, { sidecar }: Twins, format: Format): Promise<void> {
  const text = await (await fetch(`${sidecar.adminUrl}/metrics`)).text()
  const counted = new Set(
    [...text.matchAll(/^acc_scan_segments_total\{(.*)\} [1-9]/gm)].map(([, labels = '']) =>
      [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, value]) => `${label}=${value}`).join(' '),
    ),
  )
  for (const { id, request, response } of SUBJECTS)
    for (const streamed of [false, true]) {
      const holds = (way: string, sources: readonly SegmentSource[]): void => {
        for (const source of sources) {
          const labels = `detector=${id} format=${format.operation(streamed)} way=${way} source=${source}`
          t.ok(counted.has(labels), labels)
        }
      }
      holds('request', request)
      holds(streamed ? 'response_stream' : 'response', response)
    }
}
