import { randomFrom } from '../../../simulator/text.ts'

/** From cheap to dear; some of them think before they answer, and bill it. */
const MODELS = ['gpt-4.1-mini', 'gpt-4.1', 'gpt-5', 'gpt-5-mini', 'gpt-5.2'] as const
const AGENTS = ['planner', 'coder', 'critic', 'clerk'] as const
const WORKFLOWS = ['nightly', 'review', 'support'] as const

/** No answer is longer: tokens that the provider is told. Models that reason think with the larger part of it. */
const OUTPUT_TOKENS_MAX = 60
/** How many streams each client makes in a run, if none is refused: they are longer in a longer run. */
const STREAMS_OF_CLIENT = 8
const LEAVES = 0.02

/** One stream, as a client asks for it. */
export interface StreamAsk {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** After so many ms the client leaves; `null` for one that stays. */
  readonly leavesAfterMs: number | null
}

/** Makes one stream after the other; each is named in the provider's bill. @param hurried without a pause between pieces */
export type NextAsk = (name: string, hurried: boolean) => StreamAsk

/** Streams of varying cost and length, all decided by a seed. */
export function asksOf(seed: number, seconds: number): NextAsk {
  const random = randomFrom(seed)
  const meanMs = (seconds * 1_000) / STREAMS_OF_CLIENT
  const one = <T>(choices: readonly [T, ...T[]]): T => choices[Math.floor(random() * choices.length)] ?? choices[0]
  return (name, hurried) => {
    const tokens = 4 + Math.floor(random() * 14)
    const lastsMs = hurried ? 0 : meanMs * (0.2 + random() * 1.6)
    const leaves = random() < LEAVES
    return {
      headers: {
        authorization: 'Bearer any',
        'content-type': 'application/json',
        'x-acc-agent': one(AGENTS),
        'x-acc-workflow': one(WORKFLOWS),
        'x-acc-task': name,
        'x-sim-tag': name,
        'x-sim-output-tokens': String(tokens),
        'x-sim-chunk-delay-ms': String(Math.round(lastsMs / tokens)),
      },
      body: JSON.stringify({
        model: one(MODELS),
        messages: [{ role: 'user', content: `task ${name}` }],
        max_completion_tokens: OUTPUT_TOKENS_MAX,
        stream: true,
        stream_options: { include_usage: true },
      }),
      leavesAfterMs: leaves ? Math.round(lastsMs * random()) : null,
    }
  }
}
