/** Runs the simulator as a process; simulator/README.md lists its environment. */
import { startSimulator } from './server.ts'

const {
  SIM_LISTEN = '127.0.0.1:4010',
  SIM_SEED = '1',
  SIM_RATE_CARD,
  SIM_FAST,
  SIM_CHUNK_DELAY_MS = '0',
  SIM_PARENT_WATCH,
} = process.env
const colon = SIM_LISTEN.lastIndexOf(':')
try {
  const simulator = await startSimulator({
    host: SIM_LISTEN.slice(0, colon),
    port: Number(SIM_LISTEN.slice(colon + 1)),
    seed: Number(SIM_SEED),
    rateCard: SIM_RATE_CARD ?? new URL('../seed/rate-card.json', import.meta.url).pathname,
    fast: SIM_FAST === '1',
    chunkDelayMs: Number(SIM_CHUNK_DELAY_MS),
  })
  process.stdout.write(`${JSON.stringify({ listening: simulator.url })}\n`)
  const stop = (): void => {
    void simulator.close().then(() => {
      if (process.connected) process.disconnect()
    })
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  if (SIM_PARENT_WATCH === '1') {
    process.once('disconnect', stop)
    // It may have gone while the simulator started.
    if (process.connected === false) stop()
  }
} catch (error) {
  process.stderr.write(`the simulator cannot start: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
