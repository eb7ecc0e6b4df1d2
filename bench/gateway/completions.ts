/** One fixed answer in each format: the same words and the same figures. */
import type { Format } from './formats.ts'

const TEXT = 'Both versions do the same; the second one closes its file before it returns, and has a test for it.'

const openai = {
  id: 'chatcmpl-bench0000000000000000000000',
  object: 'chat.completion',
  created: 1767225600,
  model: 'gpt-4o-mini-2024-07-18',
  choices: [
    {
      index: 0,
      message: {
        role: 'assistant',
        content: TEXT,
        refusal: null,
        annotations: [],
      },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage: {
    prompt_tokens: 210,
    completion_tokens: 24,
    total_tokens: 234,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  },
  service_tier: 'default',
  system_fingerprint: 'fp_bench',
}

const anthropic = {
  id: 'msg_bench0000000000000000000000',
  type: 'message',
  role: 'assistant',
  model: 'claude-haiku-4-5-20251001',
  content: [{ type: 'text', text: TEXT, citations: null }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: {
    input_tokens: 210,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    output_tokens: 24,
    service_tier: 'standard',
  },
}

const gemini = {
  candidates: [{ content: { parts: [{ text: TEXT }], role: 'model' }, finishReason: 'STOP', index: 0 }],
  usageMetadata: {
    promptTokenCount: 210,
    candidatesTokenCount: 24,
    totalTokenCount: 234,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: 210 }],
  },
  modelVersion: 'gemini-2.5-flash',
  responseId: 'bench0000000000000000000000',
}

/** JSON of the answers. */
export const COMPLETIONS: Readonly<Record<Format, string>> = {
  openai: JSON.stringify(openai),
  anthropic: JSON.stringify(anthropic),
  gemini: JSON.stringify(gemini),
}
