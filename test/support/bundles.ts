import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BundleManifest, PolicyKey, SignedBundle } from '@agentcostcontrol/contract'
import { policyRevision } from '@agentcostcontrol/policy'

/** Signs policies as a control plane does. */
export interface BundleSigner {
  readonly key: PolicyKey
  /** @param over members of the manifest that are said otherwise, before it is signed */
  bundle(policies: Readonly<Record<string, string>>, over?: Partial<BundleManifest>): SignedBundle
}

/** Makes a key of its own. Generations count from 1 on where they are not given. */
export function bundleSigner(orgId: string = randomUUID()): BundleSigner {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const keyId = keyIdOf(publicKey)
  let generation = 0
  return {
    key: { keyId, publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString() },
    bundle: (policies, over = {}) => {
      const files = Object.entries(policies).map(([path, text]) => ({ path, text }))
      generation = over.generation ?? generation + 1
      const manifest = JSON.stringify({ orgId, generation, revision: policyRevision(files), files, ...over })
      return { manifest, keyId, signature: sign(null, Buffer.from(manifest), privateKey).toString('base64') }
    },
  }
}

const keyIdOf = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 16)

/** Puts a bundle where a sidecar keeps the one in force. */
export function keepBundle(dataDir: string, bundle: SignedBundle, policyKeys: readonly PolicyKey[]): void {
  writeFileSync(join(dataDir, 'policy-bundle.json'), JSON.stringify({ bundle, policyKeys }))
}

/** Puts into a data folder that the control plane stopped an agent, until it says otherwise. */
export function keepStopped(dataDir: string, agent: string, state: 'paused' | 'quarantined'): void {
  const told = [{ agent, state, reason: 'a test', endsWallMs: null, forMs: null }]
  writeFileSync(join(dataDir, 'agent-states.json'), JSON.stringify({ resumedThrough: 1, told, own: [] }))
}
