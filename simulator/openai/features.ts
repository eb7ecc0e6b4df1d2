/** What an answer carries besides its text, where the request asks for it: logprobs, sound, citations, predicted output. */

import { isRecord, type Json } from '../json.ts'
import { countTokens } from '../tokens.ts'

/** The features of one answer. */
export interface Features {
  /** Number of alternatives of each token's logprobs; `null` for an answer without logprobs. */
  readonly topLogprobs: number | null
  /** The id of a spoken answer; `null` for one that is only written. */
  readonly audioId: string | null
  /** Web searches that were made, billed by the call and told in no usage. */
  readonly searchCalls: number
}

/** Models that always search before they answer. */
const SEARCHES = /-search-(?:preview|api)/

/** Reads the features that a request asks for. */
export function readFeatures(json: Json, model: string, random: () => number): Features {
  const spoken = Array.isArray(json.modalities) && json.modalities.includes('audio')
  return {
    topLogprobs: json.logprobs === true ? Number(json.top_logprobs ?? 0) : null,
    audioId: spoken ? `audio_${Math.floor(random() * 2 ** 40).toString(36)}` : null,
    searchCalls: isRecord(json.web_search_options) || SEARCHES.test(model) ? 1 : 0,
  }
}

/**
 * How much of a predicted output was of use: half of what could be. The rejected rest is billed as completion, beyond
 * the output limit.
 */
export function predictedTokens(
  json: Json,
  outputTokens: number,
): { readonly accepted: number; readonly rejected: number } {
  const { prediction } = json
  if (!isRecord(prediction) || typeof prediction.content !== 'string') return { accepted: 0, rejected: 0 }
  const tokens = countTokens(prediction.content)
  const accepted = Math.floor(Math.min(tokens, outputTokens) / 2)
  return { accepted, rejected: tokens - accepted }
}

/** The log probability of one token of an answer, made up from its bytes; alternatives are less and less likely. */
export function logprobOf(token: string, alternatives: number): object {
  const at = (rank: number): object => ({
    token: rank === 0 ? token : `${token}${rank}`,
    logprob: -(token.length + rank) / 8,
    bytes: [...Buffer.from(rank === 0 ? token : `${token}${rank}`)],
  })
  return { ...at(0), top_logprobs: Array.from({ length: alternatives }, (_, rank) => at(rank)) }
}

/** The sound of a piece of text: its bytes, since nobody listens. */
export const soundOf = (text: string): string => Buffer.from(text).toString('base64')

/** The citations of an answer that searched the web. */
export const citationsOf = ({ searchCalls }: Features, text: string): readonly object[] =>
  searchCalls === 0
    ? []
    : [
        {
          type: 'url_citation',
          url_citation: {
            start_index: 0,
            end_index: text.length,
            title: 'A simulated page',
            url: 'https://simulated.example/page?utm_source=openai',
          },
        },
      ]
