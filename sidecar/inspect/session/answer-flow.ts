import type { Finding, Segment } from '@agentcostcontrol/contract'
import { DATA_LEAVES, decodings } from '@agentcostcontrol/detectors'
import type { CompiledSecurity } from '@agentcostcontrol/policy'
import { withValues } from '../restore/placeholder-reader.ts'
import type { RedactedValues } from '../restore/redacted-values.ts'
import type { AnswerContext } from './answer-context.ts'
import { callKey, judgeCall, readToolCall } from './judge-call.ts'
import { LeakMatcher } from './leak-matcher.ts'
import { leaksIn } from './leaks-in.ts'
import { LinkReader } from './links.ts'
import type { SecretIndex } from './secret-facts.ts'
import { readFacts } from './text-facts.ts'

const NONE: readonly Finding[] = []
/** Beyond so many channels the one that began first is taken to be over. */
const CHANNELS_MAX = 512

interface Channel {
  readonly leaks: LeakMatcher | null
  readonly links: LinkReader | null
}

/** Follows the answer to one request; nothing is held for it. */
export class AnswerFlow {
  readonly #context: AnswerContext
  readonly #security: CompiledSecurity
  readonly #noteResponse: (responseId: string) => void
  readonly #channels = new Map<string, Channel>()
  #values: RedactedValues | null = null

  /** @param noteResponse told the provider's id of the answer, by which a request may go on with it */
  constructor(context: AnswerContext, security: CompiledSecurity, noteResponse: (id: string) => void) {
    this.#context = context
    this.#security = security
    this.#noteResponse = noteResponse
  }

  /** The next piece of the assistant's text in a channel. */
  text(channel: string, piece: string): readonly Finding[] {
    const findings: Finding[] = []
    if (!this.#channels.has(channel) && this.#channels.size >= CHANNELS_MAX) this.#endFirst(findings)
    const { leaks, links } = this.#channel(channel)
    const leak = leaks?.push(piece)
    if (leak) findings.push(leak)
    links?.read(piece, (link) => this.#judgeLink(link, piece, findings))
    return findings
  }

  /** All text has come. */
  end(): readonly Finding[] {
    const findings: Finding[] = []
    for (const channel of this.#channels.values()) this.#endOf(channel, findings)
    this.#channels.clear()
    return findings
  }

  #endFirst(findings: Finding[]): void {
    for (const [name, channel] of this.#channels) {
      this.#endOf(channel, findings)
      this.#channels.delete(name)
      return
    }
  }

  #endOf({ leaks, links }: Channel, findings: Finding[]): void {
    const leak = leaks?.end()
    if (leak) findings.push(leak)
    links?.end((link) => this.#judgeLink(link, link, findings))
  }

  /** Says what is put back into calls: they are judged as their tools get them, by where each value came from. */
  putsBack(values: RedactedValues): void {
    this.#values = values
  }

  /** A call, whole. What is found in one that gets values back is found in all of it: as it is written they are not there. */
  call({ text: written, tool }: Pick<Segment, 'text' | 'tool'>): readonly Finding[] {
    const text = this.#values === null ? written : withValues(written, this.#values, tool ?? null)
    const found = this.#judgeCall(text, tool)
    return text === written ? found : found.map((finding) => ({ ...finding, start: 0, end: written.length }))
  }

  #judgeCall(text: string, tool: string | undefined): readonly Finding[] {
    const call = readToolCall(text, tool)
    const session = this.#context.open()
    const flows = this.#security.byDetector.has('flow') ? judgeCall(session, text, call) : NONE
    const findings = [...flows, ...leaksIn(session, this.#security, text)]
    const key = callKey(call, tool)
    if (findings.length === 0) {
      if (!this.#context.isRead) session.owe(key)
      else session.own(readFacts({ source: 'tool_call', path: [], text, ...(tool === undefined ? {} : { tool }) }, []))
    }
    // What the policy let pass is not found again in every later turn.
    session.judge(key, NONE)
    return findings
  }

  /** The verdicts of a plain answer, together with what is found here. */
  answer(segments: readonly Segment[], verdicts: readonly (readonly Finding[])[]): readonly (readonly Finding[])[] {
    return segments.map((segment, at) => {
      const own =
        segment.source === 'tool_call'
          ? this.call(segment)
          : segment.source === 'assistant'
            ? [...this.text(String(at), segment.text), ...this.end()]
            : NONE
      const verdict = verdicts[at] ?? NONE
      return own.length === 0 ? verdict : [...verdict, ...own]
    })
  }

  /** The provider's id of the answer: a request that names it goes on with this session. */
  identified(responseId: string): void {
    this.#noteResponse(responseId)
  }

  get #secrets(): SecretIndex | undefined {
    return this.#context.session?.secrets
  }

  #channel(name: string): Channel {
    let channel = this.#channels.get(name)
    if (!channel) {
      const context = this.#context
      const { byDetector } = this.#security
      channel = {
        leaks: context.hasPrompts && byDetector.has('prompt-leak') ? new LeakMatcher(() => context.prompts()) : null,
        links: (this.#secrets?.size ?? 0) > 0 && byDetector.has('flow') ? new LinkReader() : null,
      }
      this.#channels.set(name, channel)
    }
    return channel
  }

  #judgeLink(link: string, piece: string, into: Finding[]): void {
    let found: { readonly given: boolean; readonly hidden: boolean } | null = null
    decodings(link, (decoded, encoding) => {
      const secret = this.#secrets?.findIn(decoded)
      if (secret) found = { given: secret.given, hidden: encoding !== null && encoding !== 'url' }
    })
    if (found === null) return
    const { given, hidden }: { given: boolean; hidden: boolean } = found
    into.push({
      detectorId: 'flow',
      ruleId: 'secret-leaves',
      category: 'exfiltration',
      severity: given && !hidden ? 'medium' : hidden ? 'critical' : 'high',
      score: 0.95,
      start: 0,
      end: piece.length,
      taxonomy: DATA_LEAVES,
    })
  }
}
