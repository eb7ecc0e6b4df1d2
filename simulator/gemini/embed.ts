import type { Call } from '../api.ts'
import { isRecord, type Json, positive } from '../json.ts'
import { sendPlain } from '../plain.ts'
import { randomFrom, seedOf } from '../text.ts'
import { readRequest } from './generate.ts'
import { countPrompt } from './prompt.ts'
import { items, member } from './read.ts'
import { reported, usageOf } from './usage.ts'

const DIMENSIONS = 16
/** The first model of embeddings reports no usage. */
const REPORTS_USAGE = /^gemini-embedding-2/

/** Answers `:embedContent` and `:batchEmbedContents`. */
export async function handleEmbed(call: Call, model: string, batch: boolean): Promise<void> {
  const { controls, response, bill, requestId, provider } = call
  const json = readRequest(call)
  if (json === null) return
  const requests = (batch ? items(json.requests) : [json]).filter(isRecord)
  const tokens = requests.reduce((sum, each) => {
    const { textTokens, imageTokens } = countPrompt(each)
    return sum + textTokens + imageTokens
  }, 0)
  const prompt = { textTokens: tokens, imageTokens: 0, cachedTokens: 0, toolTokens: 0 }
  const usage = usageOf(prompt, 0, 0, 'standard')
  const billed = { requestId, responseId: '', provider, model, serviceTier: 'standard', tag: controls.tag }
  bill.update(bill.open(billed, reported(usage, 0)), reported(usage, 0), 'completed')
  const embeddings = requests.map((each) => ({ values: valuesOf(each, call.seed) }))
  const told = REPORTS_USAGE.test(model) ? { usageMetadata: usage } : {}
  const answer = { ...(batch ? { embeddings } : { embedding: embeddings[0] }), ...told }
  await sendPlain(response, JSON.stringify(answer), controls, () =>
    JSON.stringify({ ...answer, usageMetadata: controls.fault === 'no-usage' ? undefined : { promptTokenCount: -3 } }),
  )
}

function valuesOf(request: Json, seed: number): readonly number[] {
  const random = randomFrom(seedOf(JSON.stringify(request.content), seed))
  const length = positive(member(request, 'outputDimensionality')) ?? DIMENSIONS
  return Array.from({ length }, () => Math.round((random() - 0.5) * 1e6) / 1e6)
}
