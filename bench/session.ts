/**
 * `npm run bench:session`: what `flow` and `prompt-leak` cost a request, in CPU time with all garbage that they make,
 * without sockets: a request of 1 KB that begins a conversation, with its answer, and a turn of one that grows.
 */
import type { Segment } from '@agentcostcontrol/contract'
import { EMPTY_ENVIRONMENT, ruleName } from '@agentcostcontrol/detectors'
import { Coverage } from '../sidecar/inspect/coverage.ts'
import { createInspections } from '../sidecar/inspect/inspection.ts'
import { createDetectorSets, SegmentScanner } from '../sidecar/inspect/scanner.ts'
import { SessionInspection } from '../sidecar/inspect/session/session-inspection.ts'
import type { SessionRequest } from '../sidecar/inspect/session/session-request.ts'
import scan from '../sidecar/inspect/worker.ts'
import type { Conversation } from '../sidecar/providers/kept-heads.ts'
import { BOTH, sessionRequest } from '../sidecar/test/support/sessions.ts'

const ROUNDS = 7
const REQUESTS = 20_000
const ANSWER = 'Both versions do the same; the second one closes its file before it returns, and has a test for it.'

const sets = createDetectorSets(() => EMPTY_ENVIRONMENT)
const inspections = createInspections(sets, new Coverage(), { covers: () => false }, () => ruleName)
const inspection = inspections(BOTH, 'a', 'chat.completions')
const scanner = new SegmentScanner({ run: async (task) => scan(task) }, 1)

/** A request as the scan hands it on. */
async function asked(segments: readonly Segment[], conversation: Conversation | null): Promise<SessionRequest> {
  const { verdicts, units } = await scanner.scan(segments, inspection, 'request', false, conversation)
  return sessionRequest({ segments, verdicts, units })
}

const of = (source: Segment['source'], text: string, tool?: string): Segment => ({
  source,
  path: ['messages', 0, 'content'],
  text,
  ...(tool === undefined ? {} : { tool }),
})

const SYSTEM =
  'the worker reads a file and then asks for more context because its plan needs one further step before it can answer'
const PADDING = 'Please say in a few short words what all of this means. '

const firstWords = (mark: string, tools: readonly Segment[]): readonly Segment[] => [
  of('system', `${mark} ${SYSTEM}`),
  of('user', `${mark} ${PADDING.repeat(20).slice(0, 800)}`),
  ...tools,
]

/** CPU time of all of it, the least of some rounds, in µs each; every round has sessions of its own. */
function cpuUs(requests: readonly SessionRequest[], sessionsOf: () => SessionInspection, isWhole: boolean): number {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const sessions = sessionsOf()
    const before = process.cpuUsage()
    for (const request of requests) {
      const { answer } = sessions.request(request)
      if (!isWhole) continue
      answer.answer([of('assistant', ANSWER)], [[]])
      answer.identified('chatcmpl-bench')
    }
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, (user + system) / requests.length)
  }
  return best
}

const told = (what: string, us: number): void => void process.stdout.write(`${what}: ${us.toFixed(2)} µs\n`)

async function oneTurn(tools: readonly Segment[]): Promise<number> {
  const requests: SessionRequest[] = []
  for (let at = 0; at < REQUESTS; at++) requests.push(await asked(firstWords(`mark${at.toString(36)}`, tools), null))
  return cpuUs(requests, () => new SessionInspection(), true)
}

/** A turn of a conversation with texts of all lengths, all of which the session has seen. */
async function seen(turns: number): Promise<number> {
  const turn = (at: number): readonly Segment[] => [
    of('user', `Question ${at}: ${'what about the figures of last week and the plans? '.repeat(1 + (at % 12))}`),
    of('tool_call', JSON.stringify({ query: `number ${at} ${'of the list '.repeat(6)}` }), 'search'),
    of('tool_result', `${at}: ${'see https://a.example/b and write to a@b.example. '.repeat(4 + (at % 12))}`, 'search'),
    of('assistant', `Answer ${at}: ${'the figures are fine and the plans as well. '.repeat(1 + (at % 5))}`),
  ]
  const segments = [of('system', SYSTEM), ...Array.from({ length: turns }, (_, at) => turn(at)).flat()]
  const requests: SessionRequest[] = []
  const conversation: Conversation = {}
  for (let at = 0; at < 200; at++) requests.push(await asked(segments, conversation))
  const sessions = new SessionInspection()
  return cpuUs(requests, () => sessions, false)
}

told('1 KB, a conversation of its own', await oneTurn([]))
const SEARCH = '{"name":"search","description":"Searches the list of orders."}'
told('1 KB, and a tool', await oneTurn([of('tool_definition', SEARCH, 'search')]))
const called = [of('tool_call', '{"query":"orders"}', 'search'), of('tool_result', PADDING.repeat(4), 'search')]
told('1 KB, and a call: all of it is read, and kept', await oneTurn(called))
for (const turns of [10, 200]) told(`turn ${turns}, all seen`, await seen(turns))
