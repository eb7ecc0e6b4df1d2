import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { clusterFor } from '../../control-plane/test/support/database.ts'
import { askApi, controlPlaneFor, type TestControlPlane } from './control-plane.ts'
import { folderFor } from './scope.ts'
import { AMPLE_BUDGET, sidecarFor, type TestSidecar, withPolicy, writePolicies } from './sidecar.ts'
import { simulatorFor } from './simulator.ts'
import { until } from './until.ts'

/** How long what people say may take to a sidecar. */
const ARRIVES_MS = 2_000

/** Two replicas on one database; they end with the test. @param policies files of their organisation */
export async function twoReplicasFor(t: Test, policies: Readonly<Record<string, string>> = {}) {
  const simulator = await simulatorFor(t)
  const newDatabase = await clusterFor(t)
  const databaseUrl = await newDatabase()
  const policyDir = folderFor(t)
  writePolicies(policyDir, { 'budget.yaml': AMPLE_BUDGET, ...policies })
  const tokenFile = join(folderFor(t), 'token')
  const plane = (listen = '127.0.0.1:0'): Promise<TestControlPlane> =>
    controlPlaneFor(t, {
      policyDir,
      env: {
        DATABASE_URL: databaseUrl,
        CONTROL_PLANE_ENROLMENT_TOKEN_FILE: tokenFile,
        CONTROL_PLANE_LISTEN: listen,
      },
    })
  const planes = [await plane(), await plane()] as const
  const key = planes.map(({ adminKey }) => adminKey).find((each) => each !== null) ?? ''
  const sidecar = (at: 0 | 1, dataDir?: string, env: Readonly<Record<string, string>> = {}): Promise<TestSidecar> =>
    withPolicy(
      sidecarFor(t, {
        upstream: `${simulator.url}/v1`,
        env: { ACC_CONTROL_PLANE_URL: planes[at].url, ACC_CONTROL_PLANE_TOKEN_FILE: tokenFile, ...env },
        ...(dataDir === undefined ? {} : { dataDir }),
      }),
    )
  const ask = <Body>(path: string, body?: unknown, at: 0 | 1 = 0, method?: string) =>
    askApi<Body>(`${planes[at].url}/api/v1${path}`, key, body, method)
  return { planes, plane, key, sidecar, ask }
}

/** Waits until a file in a sidecar's data folder holds a text. */
export const kept = ({ dataDir }: TestSidecar, file: string, text: string) =>
  until(`${file} holds ${text}`, async () =>
    (await readFile(join(dataDir, file), 'utf8').catch(() => '')).includes(text) ? true : null,
  )

/** Waits for what people said to arrive, and adds how long that took, ms. */
export async function timed<T>(times: number[], arriving: Promise<T>): Promise<T> {
  const saidMs = performance.now()
  const arrived = await arriving
  times.push(performance.now() - saidMs)
  return arrived
}

/** Most of what people said arrived in time; the machine is shared with other tests, which can hold up any one of it. */
export function inTime(t: Test, times: readonly number[]): void {
  const median = times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.POSITIVE_INFINITY
  t.ok(median < ARRIVES_MS, `${times.map(Math.round)} ms`)
}
