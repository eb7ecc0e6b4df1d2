import { USAGE_FIELDS, type UsageEvent } from '@agentcostcontrol/contract'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/**
 * Metrics in base units with few labels. What is counted a request is added up in plain maps and handed to prom-client
 * when it is asked for, since its labels cost a microsecond each.
 */
export interface Metrics {
  /** Counts one exchange; `addedMs` is the time between having the request and sending it, `null` if it was not sent. */
  observe(event: UsageEvent, addedMs: number | null): void
  /** The Prometheus text format. */
  text(): Promise<string>
}

/** A figure that is read when it is asked for. */
export interface Reading {
  readonly name: string
  readonly help: string
  readonly kind: 'gauge' | 'counter'
  read(): number
}

/** A counter with labels, kept in a map. */
class Tally {
  readonly #values = new Map<string, number>()

  constructor(registry: Registry, name: string, help: string, labelNames: readonly string[]) {
    const values = this.#values
    new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect() {
        this.reset()
        for (const [key, value] of values) {
          const parts = key.split(SEPARATOR)
          this.inc(Object.fromEntries(labelNames.map((label, at) => [label, parts[at] ?? ''])), value)
        }
      },
    })
  }

  add(value: number, ...labels: readonly string[]): void {
    const key = labels.length === 1 ? (labels[0] ?? '') : labels.join(SEPARATOR)
    this.#values.set(key, (this.#values.get(key) ?? 0) + value)
  }
}

const SEPARATOR = '\u001f'

/**
 * Makes the metrics of a sidecar.
 * @param knownModel the model's name on the rate card, or `other`: clients choose names, and labels must stay few
 */
export function createMetrics(
  readings: readonly Reading[],
  knownModel: (provider: string, model: string) => string,
): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const requests = new Tally(registry, 'acc_requests_total', 'Exchanges by how they ended', [
    'operation',
    'outcome',
    'code',
    'streamed',
  ])
  const tokens = new Tally(registry, 'acc_tokens_total', 'Tokens by kind; estimates included', [
    'provider',
    'model',
    'kind',
  ])
  const cost = new Tally(registry, 'acc_cost_usd_total', 'Cost as priced', ['provider', 'model', 'precision'])
  const charged = new Tally(registry, 'acc_charged_usd_total', 'What the budgets were charged', ['provider', 'model'])
  const unpriced = new Tally(
    registry,
    'acc_unpriced_requests_total',
    'Requests that were passed through without a price',
    ['operation'],
  )
  const findings = new Tally(registry, 'acc_findings_total', 'Findings of the detectors', [
    'detector',
    'rule',
    'severity',
    'direction',
    'action',
    'mode',
  ])
  const upstream = new Tally(registry, 'acc_upstream_responses_total', 'Answers of providers by status', [
    'provider',
    'status',
  ])
  const added = new Histogram({
    name: 'acc_request_added_latency_seconds',
    help: 'From having the whole request to sending it: what the sidecar adds on the way out',
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1],
    registers: [registry],
  })
  const duration = new Histogram({
    name: 'acc_request_duration_seconds',
    help: 'From the first byte of the request to the last of the answer',
    buckets: [0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300],
    registers: [registry],
  })
  for (const { name, help, kind, read } of readings) {
    if (kind === 'gauge') {
      new Gauge({
        name,
        help,
        registers: [registry],
        collect() {
          this.set(read())
        },
      })
    } else {
      new Counter({
        name,
        help,
        registers: [registry],
        collect() {
          this.reset()
          this.inc(read())
        },
      })
    }
  }

  return {
    observe: (event, addedMs) => {
      requests.add(1, event.operation, event.outcome, event.code ?? '', event.streamed ? 'true' : 'false')
      if (addedMs !== null) added.observe(addedMs / 1_000)
      duration.observe(event.durationMs / 1_000)
      for (const { detectorId, ruleId, severity, direction, action, mode } of event.findings) {
        findings.add(1, detectorId, ruleId, severity, direction, action, mode)
      }
      for (const attempt of event.attempts) {
        if (attempt.status !== null) upstream.add(1, attempt.provider, String(attempt.status))
        if (attempt.costNanoUsd === null) {
          unpriced.add(1, event.operation)
          continue
        }
        const model = knownModel(attempt.provider, attempt.requestedModel)
        cost.add(Number(attempt.costNanoUsd) / 1e9, attempt.provider, model, attempt.precision)
        charged.add(Number(attempt.chargedNanoUsd) / 1e9, attempt.provider, model)
        const { usage } = attempt
        if (usage)
          for (const field of USAGE_FIELDS)
            if (usage[field] > 0) tokens.add(usage[field], attempt.provider, model, field)
      }
    },
    text: () => registry.metrics(),
  }
}
