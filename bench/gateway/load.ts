/** The load generator: runs one {@link LoadOrder} after the other for the process that started it, and ends with it. */
import { isLoadOrder, type LoadAnswer } from './load-protocol.ts'
import { runLoad } from './run-load.ts'

function answer(message: LoadAnswer): void {
  process.send?.(message)
}

process.on('disconnect', () => process.exit(0))
process.on('message', (message: unknown) => {
  if (!isLoadOrder(message)) return
  runLoad(message).then(
    (result) => answer({ kind: 'result', result }),
    (error: unknown) => answer({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }),
  )
})
