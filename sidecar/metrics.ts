import { USAGE_FIELDS, type UsageAttempt, type UsageEvent } from '@agentcostcontrol/contract'
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

/** A figure that is read when it is asked for; `series` has labels, `info` is a 1 whose label says it. */
export type Reading =
  | { readonly name: string; readonly help: string; readonly kind: 'gauge' | 'counter'; read(): number }
  | {
      readonly name: string
      readonly help: string
      readonly kind: 'info'
      readonly label: string
      /** `null` leaves the series out. */
      read(): string | null
    }
  | {
      readonly name: string
      readonly help: string
      readonly kind: 'series'
      readonly labels: readonly string[]
      /** A counter's values, each with those of its labels in turn. */
      read(): readonly { readonly labels: readonly string[]; readonly value: number }[]
    }

/** One value of a counter. */
interface Cell {
  readonly labels: readonly string[]
  value: number
}

/** A counter with labels: cells are found once and added to directly. */
class Tally {
  readonly #cells = new Map<string, Cell>()

  constructor(registry: Registry, name: string, help: string, labelNames: readonly string[]) {
    const cells = this.#cells
    new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect() {
        this.reset()
        for (const { labels, value } of cells.values()) {
          this.inc(labelled(labelNames, labels), value)
        }
      },
    })
  }

  cell(...labels: readonly string[]): Cell {
    const key = labels.join(SEPARATOR)
    let cell = this.#cells.get(key)
    if (!cell) {
      cell = { labels, value: 0 }
      this.#cells.set(key, cell)
    }
    return cell
  }

  add(value: number, ...labels: readonly string[]): void {
    this.cell(...labels).value += value
  }
}

const labelled = (names: readonly string[], values: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.map((name, at) => [name, values[at] ?? '']))

const SEPARATOR = '\u001f'

function addReading(registry: Registry, reading: Reading): void {
  const { name, help } = reading
  const shared = { name, help, registers: [registry] }
  switch (reading.kind) {
    case 'gauge':
      new Gauge({
        ...shared,
        collect() {
          this.set(reading.read())
        },
      })
      return
    case 'counter':
      new Counter({
        ...shared,
        collect() {
          this.reset()
          this.inc(reading.read())
        },
      })
      return
    case 'info':
      new Gauge({
        ...shared,
        labelNames: [reading.label],
        collect() {
          this.reset()
          const value = reading.read()
          if (value !== null) this.set({ [reading.label]: value }, 1)
        },
      })
      return
    case 'series':
      new Counter({
        ...shared,
        labelNames: [...reading.labels],
        collect() {
          this.reset()
          for (const { labels, value } of reading.read()) this.inc(labelled(reading.labels, labels), value)
        },
      })
  }
}

/** Finds cells by one string and remembers them; starts anew when clients name too many. */
function remembered<T>(make: (key: string) => T, max = 1_000): (key: string) => T {
  const known = new Map<string, T>()
  return (key) => {
    let found = known.get(key)
    if (found === undefined) {
      if (known.size >= max) known.clear()
      found = make(key)
      known.set(key, found)
    }
    return found
  }
}

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
    'Requests without a price: passed through, or charged at the dearest rates',
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
  for (const reading of readings) addReading(registry, reading)

  /** The cells of a model, by the name that the client used. */
  const cellsOf = remembered((key) => {
    const [provider = '', requested = ''] = key.split(SEPARATOR)
    const model = knownModel(provider, requested)
    return {
      cost: {
        exact: cost.cell(provider, model, 'exact'),
        estimated: cost.cell(provider, model, 'estimated'),
        none: cost.cell(provider, model, 'none'),
      },
      charged: charged.cell(provider, model),
      tokens: USAGE_FIELDS.map((field) => tokens.cell(provider, model, field)),
    }
  })
  const completed = remembered((operation) => ({
    plain: requests.cell(operation, 'completed', '', 'false'),
    streamed: requests.cell(operation, 'completed', '', 'true'),
  }))

  function countAttempt(event: UsageEvent, attempt: UsageAttempt): void {
    if (attempt.status !== null) upstream.add(1, attempt.provider, String(attempt.status))
    if (attempt.costNanoUsd === null) {
      unpriced.add(1, event.operation)
      if (attempt.usage === null) return
    }
    const cells = cellsOf(attempt.provider + SEPARATOR + attempt.requestedModel)
    cells.cost[attempt.precision].value += Number(attempt.costNanoUsd) / 1e9
    cells.charged.value += Number(attempt.chargedNanoUsd) / 1e9
    const { usage } = attempt
    if (usage === null) return
    for (let at = 0; at < USAGE_FIELDS.length; at++) {
      const field = USAGE_FIELDS[at]
      const cell = cells.tokens[at]
      if (field && cell) cell.value += usage[field]
    }
  }

  return {
    observe: (event, addedMs) => {
      if (event.outcome === 'completed' && event.code === null) {
        completed(event.operation)[event.streamed ? 'streamed' : 'plain'].value++
      } else requests.add(1, event.operation, event.outcome, event.code ?? '', String(event.streamed))
      if (addedMs !== null) added.observe(addedMs / 1_000)
      duration.observe(event.durationMs / 1_000)
      for (const { detectorId, ruleId, severity, direction, action, mode, count } of event.findings) {
        findings.add(count, detectorId, ruleId, severity, direction, action, mode)
      }
      for (const attempt of event.attempts) countAttempt(event, attempt)
    },
    text: () => registry.metrics(),
  }
}
