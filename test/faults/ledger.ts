import { type Edit, edit, type Fault } from './fault.ts'

const SERVICE = 'control-plane/ledger/service.ts'
const HELLO = 'control-plane/ledger/hello.ts'
const SYNC = 'control-plane/ledger/sync.ts'
const FIGURES = 'control-plane/ledger/figures.ts'
const REPOSITORY = 'control-plane/ledger/repository.ts'
const PERIODS = 'control-plane/ledger/period-repository.ts'
const BOOKS = 'control-plane/ledger/books.ts'
const CLIENT = 'sidecar/control/lease-client.ts'
const TIME = 'sidecar/budget/ledger-time.ts'
const GATE = 'sidecar/budget/gate.ts'

const fault =
  (test: string) =>
  (name: string, only: string, edits: readonly Edit[]): Fault => ({
    name: `ledger: ${name}`,
    edits,
    test,
    only: [only],
  })

const ledger = fault('control-plane/test/ledger.test.ts')
const hostile = fault('control-plane/test/ledger-hostile.test.ts')
const restored = fault('control-plane/test/ledger-restored.test.ts')
const groups = fault('control-plane/test/ledger-groups.test.ts')
const periods = fault('control-plane/test/ledger-periods.test.ts')
const alone = fault('sidecar/test/local-ledger-periods.test.ts')
const client = fault('sidecar/test/lease-client.test.ts')
const gate = fault('sidecar/test/gate.test.ts')
const ahead = fault('test/integration/leases-ahead.test.ts')

/** The ledger of the control plane, and how sidecars come to its leases. */
export const LEDGER: readonly Fault[] = [
  ledger(
    'a repeated message is granted money again',
    'money is granted once',
    edit('contract/grant.ts', 'maxUsd(ZERO_USD, nanoUsd(own.granted - item.granted))', 'ZERO_USD'),
  ),
  ledger(
    'a duplicate event is booked',
    'charges settle by their events',
    edit('control-plane/usage/ingest-service.ts', 'added.flatMap(', '[...added, ...added].flatMap('),
  ),
  ledger(
    'a repeated event is booked',
    'charges settle by their events',
    edit(
      'control-plane/usage/ingest-service.ts',
      'await book(tx, instanceId, charges)',
      'await book(tx, instanceId, charges.length > 0 ? charges : [...events.values()].flatMap((each) => each.charges))',
    ),
  ),
  ledger(
    'escrow does not follow what is settled',
    'charges settle by their events',
    edit(
      BOOKS,
      'change.escrow += openOf(row.lease) - openOf(before)',
      'change.escrow += row.lease.granted - before.granted - row.lease.returned + before.returned',
    ),
  ),
  ledger(
    'a holder of another generation is heard',
    'a holder of another generation',
    edit(SYNC, ' || message.generation !== generations.get(instanceId)', ''),
  ),
  ledger(
    'a holder of another epoch is heard',
    'a holder of another generation',
    edit(SYNC, 'message.ledgerEpoch !== state.epoch || ', ''),
  ),
  ledger(
    'a holder that knows less than it told is trusted',
    'knows less than it once told',
    edit(HELLO, 'BigInt(own.returned) >= lease.returned && ', ''),
  ),
  ledger(
    'grants that the ledger lost are not noticed',
    'a ledger that lost grants',
    edit(SYNC, '    amountOf(question.message', '    at < 0 && amountOf(question.message'),
  ),
  ledger(
    'a recovery freezes nothing',
    'a ledger that lost grants',
    edit(SYNC, 'recovering && mayHaveGranted(row, period, state)', 'false'),
  ),
  ledger(
    'a recovery grants of a counter that was lost with its period running',
    'lost a whole counter',
    edit(SYNC, ' || startsAtMs - GRANTS_AHEAD_MS < epochAtMs', ''),
  ),
  restored(
    'leases of a period that has ended are not taken over',
    'taken over, charged and closed',
    edit(HELLO, 'readPeriod(counter.periodId) !== null', 'readPeriod(counter.periodId)?.endsAtMs === Infinity'),
  ),
  restored(
    'whoever enrols puts the end of a recovery off',
    'while the ledger recovers',
    edit(REPOSITORY, ' OR NOT recovering', ' OR true'),
  ),
  ahead(
    'no lease of the next period is fetched',
    'over midnight',
    edit('sidecar/budget/gate.ts', 'if (!options.fetchesAhead) return', 'if (options.fetchesAhead) return'),
  ),
  ahead(
    'a period that was granted from ahead is the newest',
    'over midnight',
    edit(SYNC, 'if (grants && !isAhead && row && period)', 'if (grants && row && period)'),
  ),
  ahead(
    'a lease that was fetched ahead brings its period forward at a start',
    'through a crash',
    edit('sidecar/budget/holder.ts', 'charged > 0n || storedUntilWallMs > 0 || period', 'charged >= 0n || period'),
  ),
  ahead(
    'a lease that was fetched ahead is believed by the next process',
    'through a crash',
    edit('sidecar/events/outbox-db.ts', 'account.isAhead', 'false'),
  ),
  ledger('a period that was left grants again', 'none goes back', edit(SYNC, 'isLater(newest, period)', 'false')),
  ledger(
    'an edit of the period opens an empty counter',
    'opens with what was spent',
    edit(SYNC, 'if (row.edited && ', 'if (row.edited === null && '),
  ),
  ledger(
    'what may still be spent is written off',
    'by an operator alone',
    edit('control-plane/ledger/operator.ts', 'if (waitMs > 0)', 'if (waitMs === 0)'),
  ),
  hostile(
    'one sidecar stops its organisation again and again',
    'stops its organisation once',
    edit(SYNC, "unheeded.has(by) ? 'stale' :", "unheeded.has('') ? 'stale' :"),
  ),
  hostile(
    'an expired lease frees its money',
    'time frees no money',
    edit(
      REPOSITORY,
      'l.escrow_nano::text AS escrow, l.overrun_nano',
      `(SELECT coalesce(sum(e.granted_nano - e.returned_nano), 0) FROM leases AS e WHERE e.budget_uid = l.budget_uid
          AND e.subject = l.subject AND e.period_id = l.period_id AND e.expires_at > now())::text AS escrow, l.overrun_nano`,
    ),
  ),
  hostile(
    'returns of a broken holder are taken',
    'is not believed',
    edit(HELLO, 'row === null || (trusted && ofGeneration === generation)', 'true'),
  ),
  hostile(
    'figures on the wire have no end',
    'keeps another from its leases',
    edit(FIGURES, 'minUsd(NANO_USD_MAX, maxUsd(nanoUsd(-NANO_USD_MAX), nanoUsd(amount))).toString()', 'String(amount)'),
  ),
  hostile(
    'any epoch is believed',
    'an epoch that never was',
    edit(SERVICE, 'const EPOCHS_LOST_MAX = 2 ** 24', 'const EPOCHS_LOST_MAX = 2 ** 53'),
  ),
  restored(
    'a ledger that went back by many epochs says the number that its holder knows',
    'by many millions of epochs',
    edit(SERVICE, 'told > epoch + 2 * EPOCHS_LOST_MAX ?', 'told > epoch + EPOCHS_LOST_MAX ?'),
  ),
  hostile(
    'half a surrogate pair is part of a key',
    'an odd charge',
    edit('contract/lease-messages.ts', 'text.isWellFormed() && ', ''),
  ),
  hostile(
    'each that finds the ledger moved begins an epoch',
    'begin one epoch',
    edit(REPOSITORY, '::float8 IS NULL OR epoch = ', '::float8 IS NOT NULL OR epoch = '),
  ),
  hostile(
    'periods are entered in the order of the message',
    'waits in a circle',
    edit(
      SYNC,
      '  if (begun.length > 0)\n    await periodRepository.enterPeriods(\n      tx,\n      begun.map(',
      '  for (const each of begun)\n    await periodRepository.enterPeriods(\n      tx,\n      [each].map(',
    ),
  ),
  hostile(
    'a counter is made while its budget changes',
    'has the lower one',
    edit(BOOKS, "    await ledgerRepository.holdBudgets(tx, 'share')\n", ''),
  ),
  hostile(
    'a fenced lease becomes active',
    'stays fenced',
    edit(REPOSITORY, "CASE WHEN excluded.state = 'active' THEN l.state ELSE excluded.state END", 'excluded.state'),
  ),
  hostile(
    'a hello puts a write-off off',
    'does not put off',
    edit(
      REPOSITORY,
      "CASE WHEN l.state = 'active' THEN greatest(l.expires_at, excluded.expires_at) ELSE l.expires_at END",
      'greatest(l.expires_at, excluded.expires_at)',
    ),
  ),
  groups(
    'what a group grants is not counted in it',
    'get what is there once',
    edit(BOOKS, 'for (const id of new Set([own, ...(this.#putOn.get(of) ?? [])]))', 'for (const id of [own])'),
  ),
  groups(
    'an edited budget is opened by each of a group',
    'open it once',
    edit(SYNC, 'entering.set(counterKey(item.counter), ', 'entering.set(String(entering.size), '),
  ),
  groups(
    'a question that fails takes its group with it',
    'takes no other with it',
    edit('control-plane/ledger/groups.ts', 'if (group.length > 1) for', 'if (group.length > 99) for'),
  ),
  periods(
    'what left a rolling window stays spent',
    'older than a rolling window',
    edit(SYNC, 'nanoUsd((row.limit ?? 0n) + row.aged)', 'nanoUsd(row.limit ?? 0n)'),
  ),
  periods(
    'a rolling window ends early',
    'older than a rolling window',
    edit(PERIODS, "now() - k.ms * interval '1 millisecond'", "now() - k.ms * interval '0.9 millisecond'"),
  ),
  periods(
    'a sidecar begins a period anew by itself',
    'a reset begins a period',
    edit(SYNC, 'period.resets !== row.resets', 'period.resets < row.resets'),
  ),
  periods(
    'an edit is carried over into the next period',
    'the next period begins at nothing',
    edit(SYNC, ' && period.startsAtMs < row.editedAtMs', ''),
  ),
  periods(
    'a reset is undone by an edit before it',
    'a reset after it does not',
    edit(REPOSITORY, 'greatest(l.entered_at, b.reset_at)', 'l.entered_at'),
  ),
  periods(
    'what an opening counted never leaves a rolling window',
    'leave it a window later',
    edit('control-plane/ledger/carry-over.ts', 'if (rolling.length > 0) await', 'if (rolling.length > 1) await'),
  ),
  alone(
    'what left a rolling window stays spent in a sidecar that stands alone',
    'older than a rolling window',
    edit('sidecar/budget/local-ledger.ts', 'nanoUsd(item.limit + aged)', 'item.limit'),
  ),
  alone(
    'a reset carries over what was spent',
    'and a reset with it nothing',
    edit('sidecar/budget/ledger-periods.ts', ' && last.resets === next.resets', ''),
  ),
  client(
    'periods go by the machine’s clock',
    'the clock of the ledger',
    edit(TIME, 'this.#offsetMs === null ? this', 'this.#offsetMs !== 0 ? this'),
  ),
  client(
    'time counts from the answer',
    'the clock of the ledger',
    edit(CLIENT, 'time.hear(welcome.nowMs, askedAtMs)', 'time.hear(welcome.nowMs, clock.monotonicMs())'),
  ),
  client(
    'a message carries no epoch',
    'the epoch of the last hello',
    edit(CLIENT, '      ledgerEpoch = welcome.ledgerEpoch\n', ''),
  ),
  client(
    'a refusal of the holder passes for an outage',
    'another holder is in force',
    edit(CLIENT, 'error.status === CONFLICT', 'error.status === 0'),
  ),
  gate(
    'all that is asked for goes in one message',
    'a burst over more counters',
    edit('sidecar/budget/lease-sync.ts', 'asks.slice(at, at + ITEMS_MAX)', 'asks.slice(at)'),
  ),
  gate(
    'a recall is ignored',
    'what somebody else needs',
    edit(GATE, 'if (account) holder.giveBack(account)', 'if (account?.closed) holder.giveBack(account)'),
  ),
  gate(
    'idle money is returned while the ledger is away',
    'while the ledger does not answer',
    edit(GATE, '    if (!sync.isReachable && !(await isHeard())) return\n', ''),
  ),
]
