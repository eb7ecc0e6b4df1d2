import { type Ask, askBody, contentOf } from '../../support/ask.ts'

/** gpt-4.1-mini in its dearest service tier, in nano-USD per token: $0.70 and $2.80 per million. */
const INPUT = 700n
const OUTPUT = 2_800n
/** What the provider puts around one message: 64 and 8 tokens at most. */
const FRAMING = 72n
/** What a provider may make before it notices that nobody listens any more. */
const TAIL = 400n

/**
 * What a request with one message to gpt-4.1-mini is charged when no usage came, in nano-USD, worked out by hand: each
 * byte of its body a token at most, and each byte of output that passed.
 */
export function countedCharge(ask: Ask, seen: string, ended: 'whole' | 'early'): bigint {
  const input = BigInt(Buffer.byteLength(askBody(ask))) + FRAMING
  const output = BigInt(Buffer.byteLength(contentOf(seen))) + (ended === 'early' ? TAIL : 0n)
  return input * INPUT + output * OUTPUT
}
