import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A control plane of a benchmark: a process of its own, on an embedded PostgreSQL of its own. */
export interface Plane {
  readonly url: string
  readonly adminKey: string
  readonly process: ChildProcess
}

/** Starts one. @param tokenFile where it writes the token that enrols sidecars */
export async function startPlane(dataDir: string, tokenFile: string): Promise<Plane> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../control-plane/main.ts')], {
    env: {
      PATH: process.env.PATH,
      CONTROL_PLANE_LISTEN: '127.0.0.1:0',
      CONTROL_PLANE_ADMIN_LISTEN: '127.0.0.1:0',
      CONTROL_PLANE_DATA_DIR: dataDir,
      CONTROL_PLANE_ENROLMENT_TOKEN_FILE: tokenFile,
      CONTROL_PLANE_PARENT_WATCH: '1',
    },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  let adminKey = ''
  if (child.stdout)
    for await (const line of createInterface(child.stdout)) {
      const entry: { readonly message: string; readonly adminKey?: string; readonly url?: string } = JSON.parse(line)
      adminKey = entry.adminKey ?? adminKey
      if (entry.message === 'control plane listens') {
        child.stdout.resume()
        return { url: entry.url ?? '', adminKey, process: child }
      }
    }
  throw new Error('the control plane ended')
}

/** Asks an API. @throws unless it answers with status 200 */
export async function call<Answer>(url: string, key: string, body?: string): Promise<Answer> {
  const response = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body }),
  })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 300)}`)
  return JSON.parse(text)
}

/** Ends it in order. */
export async function endPlane({ process: child }: Plane): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
}

/** Of sorted figures the one below which a share of them lies, rounded to `digits` behind the point; 0 of none. */
export const percentile = (sorted: readonly number[], share: number, digits = 0): number =>
  Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 10 ** digits) /
  10 ** digits
