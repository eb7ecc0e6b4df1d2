import { join } from 'node:path'
import { controlPlaneFor, type TestControlPlane } from './control-plane.ts'
import { folderFor, type Scope } from './scope.ts'

/** A control plane that sidecars are told of. */
export interface TestPlane {
  readonly plane: TestControlPlane
  /** Of its admin. */
  readonly key: string
  /** Starts it again where it was, so that sidecars find it. */
  again(): Promise<TestControlPlane>
  /** What a sidecar of it needs. */
  readonly env: Readonly<Record<string, string>>
  readonly tokenFile: string
}

/** Starts a control plane at a port that stays the same when it comes back. */
export async function planeFor(
  scope: Scope,
  settings: Readonly<Record<string, string>> = {},
  policies?: Readonly<Record<string, string>>,
): Promise<TestPlane> {
  const tokenFile = join(folderFor(scope), 'token')
  const env = { ...settings, CONTROL_PLANE_ENROLMENT_TOKEN_FILE: tokenFile }
  const plane = await controlPlaneFor(scope, { env, ...(policies === undefined ? {} : { policies }) })
  const listen = new URL(plane.url).host
  return {
    plane,
    key: plane.adminKey ?? '',
    again: () => controlPlaneFor(scope, { dataDir: plane.dataDir, env: { ...env, CONTROL_PLANE_LISTEN: listen } }),
    env: { ACC_CONTROL_PLANE_URL: plane.url, ACC_CONTROL_PLANE_TOKEN_FILE: tokenFile },
    tokenFile,
  }
}
