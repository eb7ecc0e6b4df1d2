import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import type { System } from './system.ts'

/** A mistake in a policy. */
interface Problem {
  readonly file: string
  readonly line: number
  readonly path: string
  readonly message: string
}

/** What the control plane tells of a folder of its. */
interface Folder {
  readonly state: 'inForce' | 'behind' | 'refused' | 'unreadable'
  readonly problems: readonly Problem[]
}

const INDENT = '\n                   '
/** A policy is with its sidecar in a moment; what keeps it longer is told instead of waited for. */
const ARRIVAL_MS = 5_000
const LOOK_MS = 50

/** The policy folder, and what those who read it say of it. */
export async function policyState(system: System, dataDir: string, policyDir: string): Promise<string> {
  const folder = await folderOf(system, dataDir)
  const isGood = folder === null || folder.state === 'inForce'
  const { ok, detail } = await sidecarsPolicy(system, isGood ? undefined : 0)
  const refused = folder === null ? /refused: (.*)$/s.exec(detail)?.[1] : refusalOf(folder)
  if (refused === undefined && ok) {
    const within = system.addresses.controlPlane === null ? 'a second' : 'two seconds'
    return `${policyDir} (watched: an edit is in force within ${within})`
  }
  const until = ok ? 'the last good policy is in force' : 'every request is refused with status 503'
  return `${policyDir}${INDENT}REFUSED: ${refused ?? detail}${INDENT}Until that is mended, ${until}.`
}

/** What the control plane says of its folder; `null` without one, or where its admin key is elsewhere. */
async function folderOf({ addresses: { controlPlane }, adminKey }: System, dataDir: string): Promise<Folder | null> {
  if (controlPlane === null) return null
  try {
    const key = readFileSync(adminKey.file, 'utf8').trim()
    const response = await fetch(`${controlPlane}/api/v1/policies/current`, {
      headers: { authorization: `Bearer ${key}` },
    })
    const { folders }: { readonly folders?: readonly (Folder & { readonly replica: string })[] } = JSON.parse(
      await response.text(),
    )
    // The name that a control plane gives to itself: its process follows.
    const own = `${hostname()}:${resolve(dataDir, 'control-plane')}:`
    return folders?.find(({ replica }) => replica.startsWith(own)) ?? null
  } catch {
    return null
  }
}

function refusalOf({ state, problems }: Folder): string | undefined {
  if (state === 'inForce') return undefined
  if (state === 'behind') return 'another control plane on the same database has published a newer one'
  const [first, ...more] = problems
  if (first === undefined) return 'it cannot be read'
  const place = `${first.file}:${first.line}${first.path === '' ? '' : ` ${first.path}:`}`
  return `${place} ${first.message}${more.length === 0 ? '' : ` (and ${more.length} more)`}`
}

/** What the sidecar says of its policy, once it has one, or after this long. */
export async function sidecarsPolicy(
  { addresses: { admin } }: System,
  withinMs = ARRIVAL_MS,
): Promise<{ readonly ok: boolean; readonly detail: string }> {
  const deadlineMs = performance.now() + withinMs
  for (;;) {
    const { checks }: { readonly checks: { readonly policy: { readonly ok: boolean; readonly detail: string } } } =
      JSON.parse(await (await fetch(`${admin}/readyz`)).text())
    if (checks.policy.ok || checks.policy.detail.includes('refused: ') || performance.now() > deadlineMs)
      return checks.policy
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}
