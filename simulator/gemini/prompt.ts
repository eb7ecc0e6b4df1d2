import { isRecord, type Json } from '../json.ts'
import { countTokens, MESSAGE_TOKENS, REQUEST_TOKENS } from '../tokens.ts'
import { items, member } from './read.ts'

/** Tokens of an image of no more than 384 pixels each way. */
const IMAGE_TOKENS = 258
/** Tokens of a cached content: they are made up, since it was never sent here. */
const CACHED_TOKENS = 2_048

const EMPTY = { textTokens: REQUEST_TOKENS, imageTokens: 0, cachedTokens: 0 }

/** Tokens of a prompt: its texts, a fixed number for each image, its definitions, a named cache and the framing. */
export function countPrompt(json: Json): typeof EMPTY {
  const counted = { ...EMPTY }
  for (const content of [
    ...items(member(json, 'systemInstruction')),
    ...items(json.contents),
    ...items(json.content),
  ]) {
    counted.textTokens += MESSAGE_TOKENS
    for (const part of items(member(content, 'parts'))) addPart(counted, part)
  }
  for (const definition of [...items(json.tools), ...schemasOf(json)])
    counted.textTokens += countTokens(JSON.stringify(definition))
  if (typeof member(json, 'cachedContent') === 'string') counted.cachedTokens = CACHED_TOKENS
  return counted
}

const schemasOf = (json: Json): readonly unknown[] => {
  const config = member(json, 'generationConfig')
  return [...items(member(config, 'responseSchema')), ...items(member(config, 'responseJsonSchema'))]
}

function addPart(counted: { textTokens: number; imageTokens: number }, part: unknown): void {
  if (!isRecord(part)) return
  if (typeof part.text === 'string') counted.textTokens += countTokens(part.text)
  for (const name of ['functionCall', 'functionResponse', 'executableCode', 'codeExecutionResult']) {
    const { parts: _, ...value } = { parts: null, ...(isRecord(member(part, name)) ? Object(member(part, name)) : {}) }
    if (Object.keys(value).length > 0) counted.textTokens += countTokens(JSON.stringify(value))
  }
  if (member(part, 'inlineData') !== undefined || member(part, 'fileData') !== undefined)
    counted.imageTokens += IMAGE_TOKENS
  for (const inner of items(member(member(part, 'functionResponse'), 'parts'))) addPart(counted, inner)
}
