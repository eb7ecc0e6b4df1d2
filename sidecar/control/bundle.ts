import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import {
  type BundleManifest,
  bundleManifestSchema,
  type PolicyKey,
  type SignedBundle,
} from '@agentcostcontrol/contract'
import { policyRevision } from '@agentcostcontrol/policy'
import * as z from 'zod'

/** A public key that bundles may be signed with. */
export interface TrustedKey {
  readonly keyId: string
  readonly key: KeyObject
}

/** A bundle whose signature holds, or why it does not. */
export type OpenedBundle =
  | { readonly ok: true; readonly manifest: BundleManifest }
  | { readonly ok: false; readonly reason: string }

/** Reads a public key. Its id is made of it and never believed. @throws if it is no Ed25519 key */
function trustedKey(pem: string): TrustedKey {
  const key = createPublicKey(pem)
  if (key.asymmetricKeyType !== 'ed25519') throw new Error(`expected an Ed25519 key, this is ${key.asymmetricKeyType}`)
  const der = key.export({ type: 'spki', format: 'der' })
  return { keyId: createHash('sha256').update(der).digest('hex').slice(0, 16), key }
}

/** Reads the public keys of a PEM file, one after the other. @throws if there is none, or one of another kind */
export function trustedKeys(pem: string): readonly TrustedKey[] {
  const blocks = pem.match(/-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----/g) ?? []
  if (blocks.length === 0) throw new Error('expected "-----BEGIN PUBLIC KEY-----"')
  return blocks.map(trustedKey)
}

/** The keys of an enrolment that can be used. */
export const keysOf = (keys: readonly PolicyKey[]): readonly TrustedKey[] =>
  keys.flatMap(({ publicKey }) => {
    try {
      return [trustedKey(publicKey)]
    } catch {
      return []
    }
  })

/** Verifies a bundle and reads it. What is read are the bytes that were signed. */
export function openBundle(bundle: SignedBundle, keys: readonly TrustedKey[]): OpenedBundle {
  const refuse = (reason: string): OpenedBundle => ({ ok: false, reason })
  const trusted = keys.find(({ keyId }) => keyId === bundle.keyId)
  if (trusted === undefined)
    return refuse(
      `it is signed with the key ${bundle.keyId}; trusted are ${keys.map((k) => k.keyId).join(', ') || 'none'}`,
    )
  const bytes = Buffer.from(bundle.manifest, 'utf8')
  if (!verify(null, bytes, trusted.key, Buffer.from(bundle.signature, 'base64')))
    return refuse(`its signature is not that of the key ${bundle.keyId} over its manifest: it was changed on its way`)
  const manifest = readManifest(bytes.toString('utf8'))
  if (typeof manifest === 'string') return refuse(manifest)
  const revision = policyRevision(manifest.files)
  if (revision !== manifest.revision)
    return refuse(`it says revision ${manifest.revision}, and its files are revision ${revision}`)
  return { ok: true, manifest }
}

function readManifest(json: string): BundleManifest | string {
  try {
    return bundleManifestSchema.parse(JSON.parse(json))
  } catch (error) {
    return `its manifest cannot be read: ${error instanceof z.ZodError ? z.prettifyError(error) : 'it is not JSON'}`.slice(
      0,
      500,
    )
  }
}
