/** What the simulator answers: decided before the first byte is sent, so that plain and streamed agree. */
import type { Controls } from '../controls.ts'
import { type Json, positive } from '../json.ts'
import { exampleOf, prose, randomFrom, seedOf } from '../text.ts'
import { countTokens, tokenPieces } from '../tokens.ts'
import { countPrompt } from './prompt.ts'
import { items, member } from './read.ts'
import { asJsonSchema, functionCallsOf, type Hosted, hostedToolsOf } from './tools.ts'
import { type GeminiUsage, mergeUsage, type Prompt, usageOf } from './usage.ts'

/** One step of a candidate: a part and the output tokens that it takes. */
export interface Step {
  readonly part: Json
  readonly tokens: number
}

/** One candidate. */
export interface Candidate {
  readonly steps: readonly Step[]
  readonly finishReason: 'STOP' | 'MAX_TOKENS'
}

/** The whole answer. */
export interface GeminiAnswer {
  readonly id: string
  readonly model: string
  /** The prompt was refused: there are no candidates. */
  readonly blocked: boolean
  readonly candidates: readonly Candidate[]
  readonly prompt: Prompt
  readonly thoughtsTokens: number
  readonly serviceTier: string
  readonly hosted: Hosted
  /** As reported and billed when the answer is complete. */
  readonly usage: GeminiUsage
}

const DEFAULT_OUTPUT_TOKENS = 40
const DEFAULT_THOUGHTS = 32
const CANDIDATES_MAX = 8
const THINKS = /^gemini-(?:2\.5|[3-9]|.*latest)/
const SIGNS_CALLS = /^gemini-[3-9]/

/** Decides the answer. */
export function answerContent(model: string, json: Json, controls: Controls, seed: number): GeminiAnswer {
  const random = randomFrom(seedOf(JSON.stringify(json.contents ?? null), seed))
  const config = member(json, 'generationConfig')
  const limit = positive(Number(member(config, 'maxOutputTokens'))) ?? Number.POSITIVE_INFINITY
  const told = controls.fault === 'overrun' ? limit * 2 : limit
  const thoughts = thoughtsOf(model, config, told)
  const hosted = hostedToolsOf(json, model)
  const blocked = controls.fault === 'refusal'
  const count = Math.min(positive(Number(member(config, 'candidateCount'))) ?? 1, CANDIDATES_MAX)
  const candidates = Array.from({ length: blocked ? 0 : count }, () =>
    makeCandidate({ model, json, controls, hosted, thoughts, told, random }),
  )
  const prompt = { ...countPrompt(json), toolTokens: blocked ? 0 : hosted.tokens }
  const visible = candidates.flatMap(({ steps }) => steps).reduce((sum, { tokens }) => sum + tokens, 0)
  const thoughtsTokens = thoughts * candidates.length
  const serviceTier = controls.serviceTier ?? tierOf(member(json, 'serviceTier'))
  return {
    id: Buffer.from(String(Math.floor(random() * 2 ** 48))).toString('base64url'),
    model: controls.answerModel ?? model,
    blocked,
    candidates,
    prompt,
    thoughtsTokens,
    serviceTier,
    hosted,
    usage: mergeUsage(usageOf(prompt, visible, thoughtsTokens, serviceTier), controls.usage),
  }
}

const tierOf = (asked: unknown): string => (asked === 'flex' || asked === 'priority' ? asked : 'standard')

/** Thoughts of each candidate, within its output limit: as many as the budget says, half of the limit at most. */
function thoughtsOf(model: string, config: unknown, limit: number): number {
  const budget = Number(member(member(config, 'thinkingConfig'), 'thinkingBudget') ?? -1)
  if (!THINKS.test(model) || budget === 0) return 0
  return Math.min(budget > 0 ? Math.min(budget, 256) : DEFAULT_THOUGHTS, Math.floor(limit / 2))
}

interface Making {
  readonly model: string
  readonly json: Json
  readonly controls: Controls
  readonly hosted: Hosted
  readonly thoughts: number
  /** The output limit that is kept. */
  readonly told: number
  readonly random: () => number
}

function makeCandidate(making: Making): Candidate {
  const { model, json, controls, thoughts, told, random } = making
  const first = [...summaryOf(making), ...codeSteps(making)]
  const limit = Math.max(0, told - thoughts - first.reduce((sum, { tokens }) => sum + tokens, 0))
  const calls = functionCallsOf(json, controls, random)
  if (calls.length > 0) {
    const steps = calls.map(({ name, args }): Step => {
      const signature = SIGNS_CALLS.test(model) ? { thoughtSignature: Buffer.from(name).toString('base64') } : {}
      const id = `call_${Math.floor(random() * 2 ** 32).toString(36)}`
      return {
        part: { functionCall: { id, name, args }, ...signature },
        tokens: countTokens(name) + countTokens(JSON.stringify(args)),
      }
    })
    const kept = within(steps, limit)
    return { steps: [...first, ...kept], finishReason: kept.length < steps.length ? 'MAX_TOKENS' : 'STOP' }
  }
  const wanted =
    controls.fault === 'overrun' && Number.isFinite(told) ? told : (controls.outputTokens ?? DEFAULT_OUTPUT_TOKENS)
  const given = controls.reply ?? structured(json, random)
  const all = tokenPieces(given ?? prose(Math.max(1, wanted), random))
  const amount = given === null ? Math.min(wanted, limit) : limit
  const pieces = stopAt(all.slice(0, amount), member(member(json, 'generationConfig'), 'stopSequences'))
  return {
    steps: [...first, ...pieces.map((text) => ({ part: { text }, tokens: 1 }))],
    finishReason: all.length > amount && amount === limit ? 'MAX_TOKENS' : 'STOP',
  }
}

/** Whole steps that fit into a number of tokens. */
function within(steps: readonly Step[], limit: number): readonly Step[] {
  let left = limit
  return steps.filter(({ tokens }) => {
    left -= tokens
    return left >= 0
  })
}

/** A summary of the thoughts, if it is wanted; what was thought is billed, and not its summary. */
function summaryOf({ json, thoughts, random }: Making): readonly Step[] {
  const wanted = member(member(member(json, 'generationConfig'), 'thinkingConfig'), 'includeThoughts') === true
  if (!wanted || thoughts === 0) return []
  return tokenPieces(`**Weighing** ${prose(6, random)}\n`).map((text) => ({ part: { text, thought: true }, tokens: 0 }))
}

function codeSteps({ hosted, told }: Making): readonly Step[] {
  if (!hosted.codeExecution || told < 100) return []
  const code = 'print(sum(range(10)))'
  return [
    { part: { executableCode: { language: 'PYTHON', code } }, tokens: countTokens(code) },
    { part: { codeExecutionResult: { outcome: 'OUTCOME_OK', output: '45\n' } }, tokens: 0 },
  ]
}

function structured(json: Json, random: () => number): string | null {
  const config = member(json, 'generationConfig')
  if (member(config, 'responseMimeType') !== 'application/json') return null
  const schema = member(config, 'responseJsonSchema') ?? member(config, 'responseSchema')
  return schema === undefined ? '{"ok": true}' : JSON.stringify(exampleOf(asJsonSchema(schema), random))
}

function stopAt(pieces: readonly string[], stop: unknown): readonly string[] {
  const text = pieces.join('')
  const places = items(stop)
    .map((each) => text.indexOf(String(each)))
    .filter((at) => at !== -1)
  return places.length === 0 ? pieces : tokenPieces(text.slice(0, Math.min(...places)))
}
