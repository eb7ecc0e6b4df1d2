/** One family of the Prometheus text format. */
export interface MetricFamily {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly samples: readonly MetricSample[]
}

/** One sample. */
export interface MetricSample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const HELP = new RegExp(`^# HELP (${NAME}) (.+)$`)
const TYPE = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram|summary|untyped)$`)
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (NaN|[+-]Inf|[-+0-9.eE]+)( \\d+)?$`)
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y

/**
 * Reads the text format (version 0.0.4) as strictly as its specification lets one.
 * @throws for a line that is not of the format, a family twice, a series twice, or a sample outside its family
 */
export function parsePrometheus(text: string): readonly MetricFamily[] {
  if (!text.endsWith('\n')) throw new Error('the last line has no line feed')
  const families = new Map<string, { name: string; help: string; type: string; samples: MetricSample[] }>()
  const series = new Set<string>()
  let current: { name: string; help: string; type: string; samples: MetricSample[] } | null = null
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue
    const [, helpName, help = ''] = HELP.exec(line) ?? []
    if (helpName !== undefined) {
      if (families.has(helpName)) throw new Error(`${helpName} stands twice`)
      current = { name: helpName, help, type: '', samples: [] }
      families.set(helpName, current)
      continue
    }
    const [, typeName, type = ''] = TYPE.exec(line) ?? []
    if (typeName !== undefined) {
      if (current?.name !== typeName || current.type !== '') throw new Error(`a TYPE without its HELP: ${line}`)
      current.type = type
      continue
    }
    const sample = readSample(line)
    if (!current || !belongs(sample.name, current)) throw new Error(`a sample outside its family: ${line}`)
    const key = line.slice(0, line.lastIndexOf(' '))
    if (series.has(key)) throw new Error(`a series twice: ${key}`)
    series.add(key)
    current.samples.push(sample)
  }
  return [...families.values()]
}

function readSample(line: string): MetricSample {
  const [, name, labels = '', value] = SAMPLE.exec(line) ?? []
  if (name === undefined || value === undefined) throw new Error(`not of the format: ${line}`)
  return { name, labels: readLabels(labels, line), value: Number(value.replace('Inf', 'Infinity')) }
}

function readLabels(text: string, line: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {}
  for (let at = 0; at < text.length; at = LABEL.lastIndex) {
    LABEL.lastIndex = at
    const [, name, value = ''] = LABEL.exec(text) ?? []
    if (name === undefined || name in labels) throw new Error(`labels are not of the format: ${line}`)
    labels[name] = value.replace(/\\(.)/g, (_, char) => (char === 'n' ? '\n' : char))
  }
  return labels
}

function belongs(sample: string, { name, type }: { readonly name: string; readonly type: string }): boolean {
  if (type === 'histogram') return [`${name}_bucket`, `${name}_sum`, `${name}_count`].includes(sample)
  if (type === 'summary') return [name, `${name}_sum`, `${name}_count`].includes(sample)
  return sample === name
}
