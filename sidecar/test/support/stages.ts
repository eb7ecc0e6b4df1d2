import { type ModelPrice, type NanoUsd, type RateCard, type Rates, ZERO_USD } from '@agentcostcontrol/contract'
import { type CompiledPolicy, compilePolicy, createPriceBook } from '@agentcostcontrol/policy'
import type { Scope } from '../../../test/support/scope.ts'
import type { AnswerResult } from '../../answer/answer.ts'
import { createAuthorize } from '../../authorize.ts'
import { createCacheMemory } from '../../budget/cache-memory.ts'
import { createReserve, type Reserve } from '../../budget/reserve-stage.ts'
import { createUsageEvents } from '../../events/usage-events.ts'
import { type Abandoned, type Denial, isAbandoned, isDenial, type Planned, type Reserved } from '../../exchange.ts'
import { createIdentify } from '../../identify.ts'
import { createMeter, type Metered } from '../../metering/meter.ts'
import { createReadPrincipal } from '../../principal.ts'
import { KEPT_BYTES_MAX, KeptHeads } from '../../providers/kept-heads.ts'
import { createPlan } from '../../routing/plan.ts'
import { Throttle } from '../../throttle.ts'
import type { Forwarded } from '../../upstream/forward.ts'
import { SpendWorld } from './spend-world.ts'

/** USD per million tokens as pico-USD per token. */
const rates = (input: number, output: number): Rates => ({
  input: String(input * 1_000_000),
  output: String(output * 1_000_000),
  cacheRead: null,
  cacheWrite5m: null,
  cacheWrite1h: null,
})

const price = (model: string, fields: Partial<ModelPrice> = {}): ModelPrice => ({
  provider: 'openai',
  model,
  aliases: [],
  snapshots: false,
  effectiveFrom: '1970-01-01T00:00:00Z',
  effectiveTo: null,
  contextTokensMax: 100_000,
  outputTokensMax: 10_000,
  rates: rates(1, 4),
  contextTiers: [],
  serviceTiers: { batch: null, flex: null, priority: null },
  hours: [],
  webSearchPicoUsdPerCall: null,
  source: 'test@1',
  ...fields,
})

/**
 * $1 and $4 per million tokens. `gpt-4.1` shows all of its output and is `gpt-4.1-latest` too, `o3` thinks in hiding, `gpt-4.1-mini` costs ten times
 * as much and `gpt-4.1-nano` a quarter, `gpt-4.1-long` twice as much above 1 000 tokens of input; of `gpt-4.1-vast` nobody knows how much fits.
 */
const CARD: RateCard = {
  version: 'test.1',
  sources: [],
  models: [
    price('gpt-4.1', { aliases: ['gpt-4.1-latest'], rates: { ...rates(1, 4), cacheRead: '100000' } }),
    price('gpt-4.1-mini', { rates: rates(10, 40) }),
    price('gpt-4.1-nano', { rates: { ...rates(0, 1), input: '250000', cacheRead: null }, outputTokensMax: 500 }),
    price('o3'),
    price('gpt-4.1-long', { contextTiers: [{ aboveInputTokens: 1_000, rates: rates(2, 8) }] }),
    price('gpt-4.1-vast', { contextTokensMax: null, outputTokensMax: null }),
  ],
}

/** An answer that says nothing of itself. */
export const NO_FACTS = { responseId: null, responseModel: null, serviceTier: null, usage: null, rawUsage: null }

/** A request's body. */
export type Json = Readonly<Record<string, unknown>>

/** Who sends a request: the name of an agent, or headers, each name and then its value. */
export type Sender = string | readonly string[]

/** Documents of YAML, compiled. @throws where they are no policy */
export function policyOf(documents: readonly string[]): CompiledPolicy {
  const text = documents.map((document) => `---\n${document}\n`).join('')
  const result = compilePolicy([{ path: 'policy.yaml', text }])
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  return result.policy
}

/** The stages around the money, as the sidecar puts them together, on a {@link SpendWorld}. */
export class Stages {
  readonly world: SpendWorld
  readonly prices = createPriceBook(CARD)
  readonly cache = createCacheMemory({ monotonicMs: () => this.world.time.monotonicMs() })
  readonly throttle = new Throttle(100)
  readonly #policy: CompiledPolicy
  readonly #readPrincipal = createReadPrincipal({
    identity: { agent: null, workflow: null, session: null, tags: {} },
    trustHeaders: new Set(['agent', 'workflow', 'session', 'tags'] as const),
  })
  readonly #identify = createIdentify(this.#readPrincipal, new KeptHeads(KEPT_BYTES_MAX))
  readonly #plan = createPlan(this.prices, new Map([['openai', 'http://127.0.0.1:9/v1']]))
  readonly #meter = createMeter(this.prices)
  #exchanges = 0

  private constructor(world: SpendWorld, policy: CompiledPolicy) {
    this.world = world
    this.#policy = policy
  }

  static async open(scope: Scope, ...documents: readonly string[]): Promise<Stages> {
    const policy = policyOf(documents)
    return new Stages(await SpendWorld.open(scope, policy.budgets), policy)
  }

  /** On a world that there is, which has the policy's budgets. */
  static on(world: SpendWorld, policy: CompiledPolicy): Stages {
    return new Stages(world, policy)
  }

  /** Everything up to the reservation. */
  plan(json: Json, sender: Sender = 'a'): Planned {
    const body = Buffer.from(JSON.stringify(json))
    const { time } = this.world
    const identified = this.#identify({
      id: `exchange-${++this.#exchanges}`,
      receivedAtMs: time.nowMs(),
      startedMs: time.monotonicMs(),
      acceptedMs: time.monotonicMs(),
      method: 'POST',
      target: '/v1/chat/completions',
      headers: typeof sender === 'string' ? ['x-acc-agent', sender] : sender,
      body,
      client: { gone: false, signal: new AbortController().signal, onGone: () => {} },
    })
    const authorized = isDenial(identified)
      ? identified
      : createAuthorize({ current: () => this.#policy, isStale: () => false, agents: { of: () => null } })(identified)
    const planned = isDenial(authorized)
      ? authorized
      : this.#plan({ authorized, body, findings: [], warnings: [], turn: null })
    if (isDenial(planned)) throw new Error(planned.message)
    return planned
  }

  get stage(): Reserve {
    const { core, time } = this.world
    const readPrincipal = this.#readPrincipal
    const events = createUsageEvents({ instanceId: 'test', prices: this.prices, clock: time, readPrincipal })
    return createReserve({
      gate: core.gate,
      outbox: core.outbox,
      prices: this.prices,
      events,
      clock: time,
      cache: this.cache,
      throttle: this.throttle,
      demotions: { until: () => null },
    })
  }

  /** Stage 6, with all the time that it takes. */
  reserve(json: Json, sender?: Sender): Promise<Reserved | Denial | Abandoned> {
    return this.world.during(this.stage(this.plan(json, sender)))
  }

  /** Stage 6. @throws if it refuses */
  async sent(json: Json, sender?: Sender): Promise<Reserved> {
    const reserved = await this.reserve(json, sender)
    if (isDenial(reserved)) throw new Error(reserved.message)
    if (isAbandoned(reserved)) throw new Error('abandoned')
    return reserved
  }

  /** Stage 9 of an attempt that ended so; completed with status 200 where nothing else is said. */
  meter(
    reserved: Reserved,
    { result, ...forwarded }: Partial<Omit<Forwarded, 'result'>> & { readonly result?: Partial<AnswerResult> },
  ): Metered {
    return this.#meter(reserved, {
      status: 200,
      sent: true,
      sentAtMs: 0,
      firstByteMs: 0,
      ...forwarded,
      result: {
        outcome: 'completed',
        code: null,
        clientStatus: 200,
        facts: null,
        outputBytes: null,
        readingWasPaused: false,
        endSeen: true,
        findings: [],
        ...result,
      },
    })
  }

  /** Stage 10. */
  settle(reserved: Reserved, charged: NanoUsd): void {
    if (reserved.cover.kind === 'covered') this.world.end(reserved.cover.intent, Number(charged))
  }
}

/** What an attempt reserved. */
export const boundOf = (reserved: Reserved): NanoUsd =>
  reserved.cover.kind === 'covered' ? reserved.cover.intent.reservation.bound : ZERO_USD
