/**
 * Work that is put off to the end of the event loop's turn and then done together. What one kind of work needs (code,
 * tables) stays in the processor's caches while it is done for every request that came in the turn; taken one by one
 * between parsers and sockets, the same work costs nearly twice as much.
 */
let end: Promise<void> | null = null
let release: (() => void) | null = null
let afterwards: (() => void)[] = []
/** True until the end of this turn was told. */
let isEndSet = false
/** How many times what is left to be done afterwards will be looked at. */
let looks = 0

/** Resolves behind what else happens in this turn of the event loop; whoever waits goes on in the order of the calls. */
export function turnsEnd(): Promise<void> {
  end ??= new Promise((resolve) => {
    release = resolve
  })
  setEnd()
  return end
}

/**
 * Does the work once, behind what those do who wait for the end of this turn. A turn more would last as long as all that
 * other requests and streams need in it.
 */
export function afterTurn(work: () => void): void {
  afterwards.push(work)
  if (looks === 0) setEnd()
}

function setEnd(): void {
  if (isEndSet) return
  isEndSet = true
  looks++
  // Between two immediates of one turn everyone goes on whom the first has set free.
  setImmediate(() => {
    isEndSet = false
    const resolve = release
    end = null
    release = null
    resolve?.()
  })
  setImmediate(() => {
    looks--
    const works = afterwards
    afterwards = []
    for (const work of works) work()
  })
}
