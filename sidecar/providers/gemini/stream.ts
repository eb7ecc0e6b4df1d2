import { toolName } from '../named-tool.ts'
import type { AnswerFacts, EndedCall, MeteredRequest, StreamEvent, StreamReader, TextPiece } from '../provider.ts'
import { isRecord, readArray, readString, stringsIn } from '../read.ts'
import { candidatesOf } from './config.ts'
import { createGrounding, hostedTools } from './grounding.ts'
import { PartialCalls } from './partial-calls.ts'
import { readUsage, servedTier } from './usage.ts'

/** Reads a plain answer. */
export function readAnswer(json: unknown, request: MeteredRequest): AnswerFacts {
  const reading = openReading(request)
  if (isRecord(json)) reading.read(json)
  return reading.facts(true)
}

/**
 * Reads a stream of `GenerateContentResponse` events. Each has the usage so far and the last one wins; before every
 * candidate has said why it ended, and for a prompt that is not refused, it is not the whole usage.
 */
export function openStream(request: MeteredRequest): StreamReader {
  const candidates = candidatesOf(request.json)
  const reading = openReading(request)
  const finished = new Set<number>()
  const seen: Seen = { calls: 0, bytes: 0, partial: new PartialCalls() }
  let refused = false

  const ended = (): boolean => refused || finished.size >= candidates

  function read(data: string): StreamEvent | null {
    let event: unknown
    try {
      event = JSON.parse(data)
    } catch {
      return null
    }
    if (!isRecord(event)) return null
    reading.read(event)
    refused ||= isRecord(event.promptFeedback) && readString(event.promptFeedback.blockReason) !== null
    const pieces: TextPiece[] = []
    const calls: EndedCall[] = []
    readArray(event.candidates).forEach((candidate, at) => {
      if (!isRecord(candidate)) return
      const index = typeof candidate.index === 'number' ? candidate.index : 0
      const { content } = candidate
      if (isRecord(content))
        addParts({ pieces, calls }, readArray(content.parts), index, ['candidates', at, 'content', 'parts'], seen)
      if (readString(candidate.finishReason) !== null) {
        finished.add(index)
        calls.push(...seen.partial.end(index))
      }
    })
    return { pieces, onlyUsage: false, emptyUsage: false, ...(calls.length > 0 ? { calls } : {}) }
  }

  return { read, facts: () => reading.facts(ended()), outputBytes: () => seen.bytes, ended }
}

/** What answers say of themselves, one or many events of it. */
function openReading(request: MeteredRequest) {
  const grounding = createGrounding()
  let responseId: string | null = null
  let responseModel: string | null = null
  let rawUsage: unknown = null

  function facts(complete: boolean): AnswerFacts {
    const reported = readUsage(rawUsage)
    const usage = reported && { ...reported, hostedToolCalls: grounding.calls(responseModel ?? request.model) }
    const shared = { responseId, responseModel, serviceTier: servedTier(rawUsage, request), rawUsage }
    if (complete || usage === null) return { ...shared, usage: complete ? usage : null }
    // What the provider's own tools bring is billed as input too, and may still come.
    return { ...shared, usage: null, ...(hostedTools(request.model, request.json) ? {} : { started: usage }) }
  }

  return {
    read(answer: Readonly<Record<string, unknown>>): void {
      responseId ??= readString(answer.responseId)
      responseModel ??= readString(answer.modelVersion)?.replace(/^models\//, '') ?? null
      rawUsage = answer.usageMetadata ?? rawUsage
      grounding.read(answer)
    },
    facts,
  }
}

/** What of a stream was seen. */
interface Seen {
  /** Strings of calls. */
  calls: number
  bytes: number
  readonly partial: PartialCalls
}

/** Parts that call something. */
const CALLS: ReadonlySet<string> = new Set(['functionCall', 'toolCall', 'executableCode'])

/**
 * The text of parts. A call, or code, comes whole in one part, or its arguments come piece by piece: it is judged whole,
 * and redacted string by string.
 */
function addParts(
  into: { readonly pieces: TextPiece[]; readonly calls: EndedCall[] },
  parts: readonly unknown[],
  candidate: number,
  path: readonly (string | number)[],
  seen: Seen,
): void {
  parts.forEach((part, at) => {
    if (!isRecord(part)) return
    for (const key in part) {
      const value = part[key]
      if (key === 'thoughtSignature' || key === 'inlineData') continue
      seen.bytes += Buffer.byteLength(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))
      if (typeof value === 'string') {
        const channel = `${candidate}.${part.thought === true ? 'thought' : key}`
        if (value !== '') into.pieces.push({ channel, path: [...path, at, key], text: value })
        continue
      }
      if (key === 'functionCall' && isRecord(value) && seen.partial.isPart(candidate, value)) {
        const { pieces, ended } = seen.partial.add(candidate, value, [...path, at, key])
        into.pieces.push(...pieces)
        into.calls.push(...ended)
        continue
      }
      const channels: string[] = []
      for (const { text, path: below } of stringsIn(value, [key])) {
        const channel = `${candidate}.part.${seen.calls++}`
        const piece = { channel, path: [...path, at, ...below], text }
        channels.push(channel)
        into.pieces.push(CALLS.has(key) ? { ...piece, isCall: true } : piece)
      }
      if (CALLS.has(key) && isRecord(value))
        into.calls.push({
          tool: toolName(value.name),
          channels,
          text: JSON.stringify(value.args ?? value.code ?? value),
        })
    }
  })
}
