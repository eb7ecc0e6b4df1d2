import { NO_USAGE, type TokenUsage } from '@agentcostcontrol/contract'
import type { AnswerFacts } from '../provider.ts'
import { isRecord, readCount, readString } from '../read.ts'

type Json = Readonly<Record<string, unknown>>

/** What loaded or unloaded a model evaluated nothing. */
const WITHOUT_EVALUATION: ReadonlySet<unknown> = new Set(['load', 'unload'])
const FIGURES = ['prompt_eval_count', 'eval_count', 'done_reason'] as const

/**
 * The usage of an answer that is done. `prompt_eval_count` is left out where the prompt came from the cache, and
 * `eval_count` where nothing was counted: absent is not zero.
 * @param readsOutput false for embeddings, which have no output to count
 * @returns `null` where one of the figures is not told, or makes no sense
 */
function readUsage(json: Json, readsOutput: boolean): TokenUsage | null {
  if (WITHOUT_EVALUATION.has(json.done_reason)) return NO_USAGE
  const input = told(json.prompt_eval_count)
  const output = readsOutput ? told(json.eval_count) : 0
  return input === null || output === null ? null : { ...NO_USAGE, inputUncached: input, outputVisible: output }
}

const told = (count: unknown): number | null => (typeof count === 'number' ? readCount(count) : null)

/** Reads an answer, or the last line of a stream. */
export function readFacts(json: unknown, readsOutput: boolean): AnswerFacts {
  const answer = isRecord(json) ? json : {}
  return {
    responseId: null,
    responseModel: readString(answer.model),
    serviceTier: null,
    usage: readUsage(answer, readsOutput),
    rawUsage: rawUsage(answer),
  }
}

/** The members that tell of usage; the others are text. */
function rawUsage(answer: Json): unknown {
  const members = FIGURES.filter((name) => answer[name] !== undefined).map((name) => [name, answer[name]])
  return members.length === 0 ? null : Object.fromEntries(members)
}
