import { type Edit, edit, type Fault } from './fault.ts'

const STREAM = 'sidecar/providers/openai/stream.ts'
const METER = 'sidecar/metering/meter.ts'

const estimated = (name: string, only: string, edits: readonly Edit[]): Fault => ({
  name,
  edits,
  test: 'test/integration/golden-openai.test.ts',
  only: ['what is not known', only],
})
const RESULT = '    const reported = result.facts?.usage ?? null\n'

/** Spend that gets lost. */
export const LOST: readonly Fault[] = [
  estimated(
    'a usage that is absent is taken for zero',
    'absent is not zero',
    edit(METER, RESULT, '    const reported = result.facts?.usage ?? NO_USAGE\n'),
  ),
  estimated(
    'the tokens of a failed stream are lost',
    'that failed',
    edit(METER, RESULT, `    if (result.outcome === 'failed') return nothing('failed', free)\n${RESULT}`),
  ),
  estimated(
    'an aborted stream is recorded at $0',
    'aborts is not free',
    edit(METER, RESULT, `    if (result.outcome === 'aborted') return nothing('aborted', free)\n${RESULT}`),
  ),
  estimated(
    'half a report is taken for a whole one',
    'what its chunks told',
    edit(STREAM, 'usage = choices.every(isFinished) ? usageSoFar : null', 'usage = usageSoFar'),
  ),
  estimated(
    'an unbounded request without usage is free',
    'that nothing bounds',
    edit('sidecar/budget/hold.ts', 'bound: bound ?? usageBound(asked.bound, priced), clamped', 'bound, clamped'),
  ),
  {
    name: 'a client that reads every word and leaves before the usage pays only for what it saw',
    edits: edit(METER, 'const TAIL_TOKENS = 400', 'const TAIL_TOKENS = 0'),
    test: 'test/integration/ways-out-left.test.ts',
    only: ['not waited for', 'every delta'],
  },
  {
    name: 'hidden thoughts are estimated by what was seen',
    edits: edit('sidecar/providers/openai/bound.ts', '    showsAllOutput(model) &&\n', ''),
    test: 'test/integration/ways-out-left.test.ts',
    only: ['not waited for', 'also thinks'],
  },
  {
    name: 'a provider that was ahead of a slow client is estimated by what was seen',
    edits: edit(METER, '(!result.readingWasPaused && stopsBilling)', 'stopsBilling'),
    test: 'test/integration/ways-out-left.test.ts',
    only: ['not waited for', 'never read from'],
  },
  {
    name: 'a stream that stops without its end mark is counted as whole',
    edits: edit(METER, "result.outcome === 'cut' || !result.endSeen", "result.outcome === 'cut'"),
    test: 'test/integration/ways-out-answered.test.ts',
    only: ['a provider that answers', 'stops as if'],
  },
  {
    name: 'a hold leaks when a stream breaks before its first chunk',
    edits: edit(
      'sidecar/close.ts',
      "  if (cover.kind === 'covered') closers.outbox",
      "  if (forwarded.status === null && forwarded.result.outcome === 'failed') return\n  if (cover.kind === 'covered') closers.outbox",
    ),
    test: 'test/integration/ways-out-answered.test.ts',
    only: ['a provider that fails', 'breaks before the answer'],
  },
  {
    name: 'a client that leaves while it is waited for is waited for, for ever',
    edits: edit('sidecar/accept/client.ts', '    this.#proceed()\n    onClosed?.()', '    onClosed?.()'),
    test: 'test/integration/ways-out-left.test.ts',
    only: ['read to its end', 'never read from'],
  },
  {
    name: 'events are buffered for ten seconds, and dropped on SIGTERM',
    edits: edit(
      'sidecar/events/outbox.ts',
      '    events.push(event)\n    schedule()\n',
      '    setTimeout(() => {\n      events.push(event)\n      schedule()\n    }, 10_000).unref()\n',
    ),
    test: 'test/integration/ways-out-shutdown.test.ts',
    only: ['breaks everything off'],
  },
  {
    name: 'a write that fails takes its events with it',
    edits: edit('sidecar/events/outbox.ts', 'events = [...group.events, ...events]', 'events = [...events]'),
    test: 'test/integration/lost-spend.test.ts',
    only: ['while the record cannot be written'],
  },
  {
    name: 'requests are sent before their intent is on disk',
    edits: edit(
      'sidecar/events/outbox.ts',
      'intents.push({ seq, intent, resolve, reject })\n        schedule()',
      'setTimeout(() => {\n          if (intent.seq !== seq) return\n          intents.push({ seq, intent, resolve: () => {}, reject: () => {} })\n          schedule()\n        }, 60_000)\n        resolve()',
    ),
    test: 'test/chaos/kill-nine.test.ts',
    only: ['while it starts again'],
  },
  {
    name: 'what was under way at a kill is told and not charged',
    edits: edit(
      'sidecar/events/spend-core.ts',
      'if (account) account.charged =',
      'if (account && bound < 0n) account.charged =',
    ),
    test: 'test/chaos/kill-nine.test.ts',
    only: ['while it starts again'],
  },
  {
    name: 'what was under way at a kill is told again at each start',
    edits: edit('sidecar/events/spend-core.ts', '      db.deleteIntent(seq)\n', ''),
    test: 'test/chaos/kill-nine.test.ts',
    only: ['while it starts again'],
  },
  {
    name: 'an answer whose client left is told as completed',
    edits: edit('sidecar/upstream/forward.ts', 'client.gone ? withoutClient(result) : result', 'result'),
    test: 'test/integration/ways-out-left.test.ts',
    only: ['read to its end', 'in the middle of a stream$'],
  },
  {
    name: 'a second sidecar works on the same folder',
    edits: edit('sidecar/events/folder-lock.ts', 'BEGIN EXCLUSIVE', 'BEGIN'),
    test: 'test/chaos/data-folder.test.ts',
    only: ['a second sidecar'],
  },
  {
    name: 'what a lost outbox held is granted again',
    edits: edit('sidecar/budget/local-ledger.ts', 'rows.filter((row) => row !== own)', 'rows.filter(() => false)'),
    test: 'test/chaos/data-folder.test.ts',
    only: ['a damaged outbox'],
  },
]
