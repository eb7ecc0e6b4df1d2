import type { Segment, ToolPinDecision, ToolPinReport } from '@agentcostcontrol/contract'
import type { SeenUnit, SegmentFinding } from '../../inspect/session/session-request.ts'
import { PIN_BOUNDS, type PinBounds, PinStore } from '../../inspect/tool-pins/pin-store.ts'
import { ToolPins } from '../../inspect/tool-pins/tool-pins.ts'
import { keyOf, unitsOf } from '../../inspect/units.ts'
import { requestSegments as messagesSegments } from '../../providers/anthropic/segments.ts'
import { requestSegments as geminiSegments } from '../../providers/gemini/segments.ts'
import { requestSegments as ollamaSegments } from '../../providers/ollama/segments.ts'
import { requestSegments as responsesSegments } from '../../providers/openai/responses/segments.ts'
import { requestSegments as chatSegments } from '../../providers/openai/segments.ts'
import { FakeTime } from './fake-time.ts'

/** A tool of a client, as every wire format has it. */
export interface PlainTool {
  readonly name: string
  readonly description?: string
  readonly parameters?: Readonly<Record<string, unknown>>
}

/** The segments of a request with these tools, in each wire format. */
export const IN_FORMATS: Readonly<Record<string, (tools: readonly PlainTool[]) => readonly Segment[]>> = {
  chat: (tools) => chatSegments({ tools: tools.map((tool) => ({ type: 'function', function: tool })) }),
  responses: (tools) =>
    responsesSegments({ tools: tools.map((tool) => ({ type: 'function', strict: false, ...tool })) }),
  messages: (tools) =>
    messagesSegments({ tools: tools.map(({ parameters, ...tool }) => ({ ...tool, input_schema: parameters })) }),
  gemini: (tools) =>
    geminiSegments({
      tools: [
        {
          functionDeclarations: tools.map(({ parameters, ...tool }) => ({ ...tool, parametersJsonSchema: parameters })),
        },
      ],
    }),
  ollama: (tools) => ollamaSegments({ tools: tools.map((tool) => ({ type: 'function', function: tool })) }),
}

/** Segments in the units that a scan gives. */
export const unitsIn = (segments: readonly Segment[]): readonly SeenUnit[] =>
  unitsOf(segments).map((unit) => {
    const key = keyOf(unit, segments, '0')
    return { at: unit.at, key: key && key.scope + key.digest }
  })

/** Pins in memory, with decisions that a test makes. */
export function pinsFor({
  bounds = PIN_BOUNDS,
  store = new PinStore(bounds),
}: {
  bounds?: PinBounds
  store?: PinStore
} = {}) {
  const clock = new FakeTime()
  const reports: ToolPinReport[] = []
  const decided = new Map<string, ToolPinDecision['decision']>()
  let version = 0
  let changes = 0
  const pins = new ToolPins({
    store,
    onPinned: () => changes++,
    decisions: {
      get version() {
        return version
      },
      of: (_, tool, hash) => decided.get(`${tool} ${hash}`) ?? null,
      isDecided: (_, tool) => [...decided.keys()].some((key) => key.startsWith(`${tool} `)),
    },
    news: { tell: (report) => reports.push(report) },
    clock,
  })
  const check = (segments: readonly Segment[], agent: string | null = 'a', byteStrings = false) =>
    pins.check({ agent, segments, units: unitsIn(segments), byteStrings })
  return {
    pins,
    store,
    clock,
    reports,
    changes: () => changes,
    decide: (tool: string, hash: string, decision: ToolPinDecision['decision'] | null) => {
      if (decision === null) decided.delete(`${tool} ${hash}`)
      else decided.set(`${tool} ${hash}`, decision)
      version++
    },
    check,
    /** The rules that a chat request with these tools is found by. */
    rules: async (tools: readonly PlainTool[], agent: string | null = 'a'): Promise<readonly string[]> =>
      rulesOf(await check(IN_FORMATS.chat?.(tools) ?? [], agent)),
  }
}

/** The rules of findings, in order. */
export const rulesOf = (findings: readonly SegmentFinding[]): readonly string[] =>
  findings.map(({ finding }) => finding.ruleId)
