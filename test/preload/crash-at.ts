/**
 * Loaded in front of a sidecar (`--import`): kills its process like a power switch before the statement number
 * `TEST_CRASH_AT` that its main thread runs on a database, wherever in its work that is.
 */
import { DatabaseSync, StatementSync } from 'node:sqlite'
import { isMainThread } from 'node:worker_threads'

let left = isMainThread ? Number(process.env.TEST_CRASH_AT) : Number.POSITIVE_INFINITY

function countDown(): void {
  left--
  if (left <= 0) process.kill(process.pid, 'SIGKILL')
}

const counted = <Work extends (...parameters: never[]) => unknown>(work: Work): Work =>
  new Proxy(work, {
    apply: (_, self, parameters) => {
      countDown()
      return Reflect.apply(work, self, parameters)
    },
  })

DatabaseSync.prototype.exec = counted(DatabaseSync.prototype.exec)
StatementSync.prototype.run = counted(StatementSync.prototype.run)
