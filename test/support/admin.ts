import { until } from './until.ts'

/** What `/readyz` says. */
export interface ReadinessReply {
  readonly status: number
  readonly ready: boolean
  readonly checks: Readonly<Record<string, { readonly ok: boolean; readonly detail: string }>>
}

/** Asks `/readyz`. */
export async function readiness(adminUrl: string): Promise<ReadinessReply> {
  const response = await fetch(`${adminUrl}/readyz`)
  const body = (await response.json()) as Pick<ReadinessReply, 'ready' | 'checks'>
  return { status: response.status, ...body }
}

/** What a readiness check says, once it says something that fits. */
export async function readinessDetail(adminUrl: string, check: string, fits: RegExp): Promise<string> {
  let detail = ''
  return until(`the check ${check} says ${fits}`, async () => {
    detail = (await readiness(adminUrl)).checks[check]?.detail ?? ''
    return fits.test(detail) ? detail : null
  }).catch(() => {
    throw new Error(`the check ${check} says "${detail}", not ${fits}`)
  })
}

/** The text of `/metrics`. */
export const metricsText = async (adminUrl: string): Promise<string> => (await fetch(`${adminUrl}/metrics`)).text()

/** The revision in force, by `/metrics`; `null` while there is none. */
export async function revisionInForce(adminUrl: string): Promise<string | null> {
  return /^acc_policy_revision_info\{revision="(\w+)"\} 1$/m.exec(await metricsText(adminUrl))?.[1] ?? null
}
