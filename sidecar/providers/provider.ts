/**
 * What a wire format must know. An adapter reads only the fields it uses and leaves every other byte alone; it works on
 * the parsed body for reading and on the bytes for writing.
 */
import type { NanoUsd, Segment, ServiceTier, TokenUsage } from '@agentcostcontrol/contract'
import type { UsageBound } from '@agentcostcontrol/policy'
import type { Denial } from '../exchange.ts'
import type { PassedOver } from './document.ts'
import type { Framing } from './framing.ts'

/** What the path of a request says, where a format says it there and not in the body. */
export interface PathFacts {
  readonly model: string | null
  readonly stream: boolean
}

/** A request of a metered operation, read. */
export interface MeteredRequest {
  readonly model: string
  /** The rate card's name for what is asked, where it is the model at other rates than its own (another speed, another place). */
  readonly pricedAs?: string
  readonly stream: boolean
  /** The parsed body, for the adapter's own use. */
  readonly json: Readonly<Record<string, unknown>>
}

/** What bounds a request, or why nothing in its body does. */
export type RequestBound =
  | {
      readonly kind: 'bounded'
      readonly inputTokensMax: number
      readonly outputTokensAsked: number | null
      readonly choices: number
      readonly extraOutputTokens: number
      readonly serviceTier: ServiceTier | null
      /** The smallest output limit that leaves the request valid; any if left out. */
      readonly outputTokensLeast?: number
    }
  | {
      readonly kind: 'unbounded'
      readonly reason: string
      readonly hostedToolCallsMax: number
      /** How many context windows it can fill: one more than its hosted calls if left out, `null` if nothing bounds them. */
      readonly contextsMax?: number | null
      readonly choices: number
      readonly outputTokensAsked: number | null
      readonly serviceTier: ServiceTier | null
      /** The smallest output limit that leaves the request valid; any if left out. */
      readonly outputTokensLeast?: number
    }

/** Text to put in place of a segment's. */
export interface SegmentEdit {
  readonly segment: Segment
  readonly text: string
}

/** What an answer, plain or streamed, says of itself. */
export interface AnswerFacts {
  readonly responseId: string | null
  readonly responseModel: string | null
  readonly serviceTier: ServiceTier | null
  /** The rate card's name for what was served, where it is not the model at its own rates. */
  readonly pricedAs?: string
  /** `null` when the provider sent none, or one that makes no sense. */
  readonly usage: TokenUsage | null
  /** What was reported before the answer was complete: its input is final, its output is not. */
  readonly started?: TokenUsage
  /** The same where more input may still have come: a floor, and no estimate. */
  readonly soFar?: TokenUsage
  /** True while it is still being made, without its client: what it used is told by a later answer of the same id. */
  readonly unfinished?: true
  /** What the provider itself says that it cost. */
  readonly providerCost?: NanoUsd
  readonly rawUsage: unknown
}

/** A piece of an answer's text inside one event of a stream. */
export interface TextPiece {
  /** Pieces of one channel follow each other: a choice's content, a tool call's arguments. */
  readonly channel: string
  /** Where the string stands in the event's JSON. */
  readonly path: readonly (string | number)[]
  readonly text: string
  /** True where the text is signed by the provider: it may be judged, never changed. */
  readonly sealed?: boolean
  /** True for a part of what a tool is called with: it waits for the {@link EndedCall} that names its channel. */
  readonly isCall?: true
}

/** A call of a tool that is complete. */
export interface EndedCall {
  readonly tool: string | null
  readonly channels: readonly string[]
  /** What it is called with, where its strings come one by one; `null` where the text of its channel is that. */
  readonly text: string | null
}

/** One event of a stream, read. */
export interface StreamEvent {
  readonly pieces: readonly TextPiece[]
  /** True for an event that exists only because the sidecar asked for usage: the client does not get it. */
  readonly onlyUsage: boolean
  /** True if the event carries an empty usage member that is there only because the sidecar asked for usage. */
  readonly emptyUsage: boolean
  /** True for an event at which clients stop reading: what is held is judged before it goes on. */
  readonly endsText?: boolean
  /** Calls that are complete with this event; those that are open at the end of a stream are complete then. */
  readonly calls?: readonly EndedCall[]
}

/** Reads one stream: kept for as long as the stream runs. */
export interface StreamReader {
  /** Reads the data of one event; `null` if it is not JSON of this format (it is then passed on as it is). */
  read(data: string): StreamEvent | null
  /** What is known so far. */
  facts(): AnswerFacts
  /** UTF-8 bytes of output seen so far over all choices: never fewer than its tokens. */
  outputBytes(): number
  /** True once the stream's own end was seen. */
  ended(): boolean
  /** The number of the last event, where a format numbers them; -1 before the first. */
  sequenceNumber?(): number
}

/** An error as a client of this format expects it. */
export interface RenderedError {
  readonly contentType: string
  readonly body: Buffer
}

/** How refusals are told in a wire format. */
export interface ErrorFormat {
  renderError(denial: Denial, status: number, requestId: string): RenderedError
}

/** One operation of a wire format. */
export interface ProviderAdapter {
  readonly operation: string
  /** Reads a parsed body. */
  parse(json: unknown, path: PathFacts): MeteredRequest | Denial
  /** How a streamed answer with this content type is cut into events; `null` for an answer that is one JSON text. */
  framing(contentType: string, request: MeteredRequest): Framing | null
  /** Every piece of text that people or tools wrote, with its source. @param passedOver is told of files that are no text; left out, none is read */
  segments(request: MeteredRequest, passedOver?: PassedOver): readonly Segment[]
  bound(request: MeteredRequest, bodyBytes: number): RequestBound
  /** The body with its segments replaced. @throws if an edit cannot be made without breaking the JSON. */
  replaceSegments(body: Buffer, edits: readonly SegmentEdit[]): Buffer
  /** The body with its output limit lowered, in the provider's own field. */
  limitOutput(body: Buffer, request: MeteredRequest, tokens: number): Buffer
  /** The body asking for usage in a stream, or `null` if it already does. */
  askForUsage(body: Buffer, request: MeteredRequest): Buffer | null
  /**
   * What is kept of a request once it is sent: all that is read below, without its conversation. A provider takes seconds
   * to answer, and memory that lives as long is what a garbage collector pays for.
   */
  remember(request: MeteredRequest): MeteredRequest
  /** True if everything that is billed as output can be seen in the stream: then what was seen bounds an aborted one. */
  outputIsVisible(model: string, request: MeteredRequest): boolean
  /** A reported usage together with what the provider bills and does not report: hosted searches. */
  addUnreported(usage: TokenUsage, request: MeteredRequest): TokenUsage
  /** Reads a plain answer. */
  readAnswer(json: unknown, request: MeteredRequest): AnswerFacts
  answerSegments(json: unknown): readonly Segment[]
  openStream(request: MeteredRequest): StreamReader
  /**
   * What ends a stream which the sidecar cuts.
   * @param begun whether events of it have gone to the client
   * @param reader what has read it so far
   */
  terminalEvent(denial: Denial, status: number, framing: Framing, begun: boolean, reader?: StreamReader): Buffer
}

/** The most tokens that a request bounded by `bound` can use, with the model's own limits behind it. */
export function usageBound(
  bound: RequestBound,
  model: { readonly contextTokensMax: number | null; readonly outputTokensMax: number | null },
): UsageBound | null {
  const modelOutput = model.outputTokensMax ?? model.contextTokensMax
  const perChoice = bound.outputTokensAsked ?? modelOutput
  if (perChoice === null) return null
  if (bound.kind === 'bounded') {
    return {
      inputTokensMax: bound.inputTokensMax,
      outputTokensMax: perChoice * bound.choices + bound.extraOutputTokens,
      hostedToolCallsMax: 0,
      serviceTier: bound.serviceTier,
    }
  }
  // A request that the sidecar cannot see whole fills the context window at most, once more for each hosted tool call.
  const { contextsMax = bound.hostedToolCallsMax + 1 } = bound
  if (model.contextTokensMax === null || contextsMax === null) return null
  return {
    inputTokensMax: model.contextTokensMax * contextsMax,
    outputTokensMax: perChoice * bound.choices,
    hostedToolCallsMax: bound.hostedToolCallsMax,
    serviceTier: bound.serviceTier,
  }
}
