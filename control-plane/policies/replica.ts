import { hostname } from 'node:os'
import { resolve } from 'node:path'

const placeOf = (dataDir: string): string => `${hostname()}:${resolve(dataDir)}:`

/** Names this process among the replicas: its machine, its data folder and its number. */
export const replicaName = (dataDir: string): string => `${placeOf(dataDir)}${process.pid}`

/** Whether a replica was of this machine and data folder and runs no more: one that is killed cannot say that it goes. */
export function hasEnded(replica: string, dataDir: string): boolean {
  const place = placeOf(dataDir)
  const pid = Number(replica.slice(place.length))
  return replica.startsWith(place) && pid !== process.pid && !runs(pid)
}

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // It runs, and is another user's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
