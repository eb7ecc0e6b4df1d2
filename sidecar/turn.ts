/**
 * Work that is put off to the end of the event loop's turn and then done together. What one kind of work needs (code,
 * tables) stays in the processor's caches while it is done for every request that came in the turn; taken one by one
 * between parsers and sockets, the same work costs nearly twice as much.
 */
let end: Promise<void> | null = null

/** Resolves behind what else happens in this turn of the event loop; whoever waits goes on in the order of the calls. */
export function turnsEnd(): Promise<void> {
  end ??= new Promise((resolve) => {
    setImmediate(() => {
      end = null
      resolve()
    })
  })
  return end
}
