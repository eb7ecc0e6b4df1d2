/**
 * Work that is put off to the end of the event loop's turn and then done together. What one kind of work needs (code,
 * tables) stays in the processor's caches while it is done for every request that came in the turn; taken one by one
 * between parsers and sockets, the same work costs nearly twice as much.
 */
let waiting: (() => void)[] = []

function runAll(): void {
  const work = waiting
  waiting = []
  for (const each of work) each()
}

/** Does `work` behind what else happens in this turn of the event loop, in the order of the calls. */
export function atTurnsEnd(work: () => void): void {
  waiting.push(work)
  if (waiting.length === 1) setImmediate(runAll)
}
