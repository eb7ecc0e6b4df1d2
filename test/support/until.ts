/** From one look to the next: short at first, so that nothing waits for long, then so long that many looks load nobody. */
const POLL_MS = 5
const POLL_MS_MAX = 25

/**
 * Waits for something that nobody announces, such as a row in another process's database.
 * @param look what is waited for, or `null` while it is not there
 * @throws after `timeoutMs`, naming what was waited for
 */
export async function until<T>(what: string, look: () => T | null | Promise<T | null>, timeoutMs = 60_000): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (let pauseMs = POLL_MS; ; pauseMs = Math.min(pauseMs * 1.1, POLL_MS_MAX)) {
    const found = await look()
    if (found !== null) return found
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}
