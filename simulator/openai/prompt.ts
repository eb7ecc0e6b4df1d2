import { isRecord, type Json, list } from '../json.ts'
import { countTokens, IMAGE_TOKENS, MESSAGE_TOKENS, REQUEST_TOKENS } from '../tokens.ts'

/** Tokens of a prompt: its texts, a fixed number for each image, its definitions and the framing. */
export function countPrompt(json: Json): number {
  let tokens = REQUEST_TOKENS
  for (const message of list(json.messages)) {
    tokens += MESSAGE_TOKENS
    if (!isRecord(message)) continue
    const { content } = message
    if (typeof content === 'string') tokens += countTokens(content)
    for (const part of list(content)) {
      if (!isRecord(part)) continue
      if (typeof part.text === 'string') tokens += countTokens(part.text)
      if (part.type === 'image_url') tokens += IMAGE_TOKENS
    }
    if (message.tool_calls !== undefined) tokens += countTokens(JSON.stringify(message.tool_calls))
  }
  for (const member of ['tools', 'functions', 'response_format']) {
    if (json[member] !== undefined) tokens += countTokens(JSON.stringify(json[member]))
  }
  return tokens
}
