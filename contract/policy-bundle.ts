/**
 * A policy folder on its way to the sidecars: signed as a whole, numbered by a generation that only grows. Whoever holds
 * the control plane's database alone can forge none, since the key that signs is kept elsewhere.
 */
import * as z from 'zod'

/** Largest bundle as JSON, in bytes: a policy folder holds a mebibyte, which JSON may lengthen. */
export const BUNDLE_BYTES_MAX = 3 * 1024 * 1024

/** Most files of a bundle. */
export const BUNDLE_FILES_MAX = 1_000

/** Most keys that bundles are signed with at one time: the one in use, and former ones. */
export const POLICY_KEYS_MAX = 8

/**
 * What is signed. `generation` is the database's clock in ms when it was published, and at least one more than the one
 * before: a control plane that was restored from a copy does not fall behind what its sidecars run.
 */
export const bundleManifestSchema = z.strictObject({
  orgId: z.uuid(),
  generation: z.int().min(1),
  revision: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('content hash of the files, as the policy compiler makes it'),
  files: z.array(z.strictObject({ path: z.string().min(1).max(1_024), text: z.string() })).max(BUNDLE_FILES_MAX),
})

/** A bundle as it travels. The signature (Ed25519) is that of the manifest's very bytes, which nobody writes anew. */
export const signedBundleSchema = z.strictObject({
  manifest: z.string().max(BUNDLE_BYTES_MAX).describe('a manifest as JSON'),
  keyId: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .describe('the first 8 bytes of the SHA-256 of the public key (SPKI, DER), hex'),
  signature: z.base64(),
})

/** A public key that bundles are signed with. */
export const policyKeySchema = z.strictObject({
  keyId: z.string().regex(/^[0-9a-f]{16}$/),
  publicKey: z.string().max(1_024).describe('SPKI, PEM'),
})

/** What a bundle says. */
export type BundleManifest = z.infer<typeof bundleManifestSchema>
/** A bundle as it travels. */
export type SignedBundle = z.infer<typeof signedBundleSchema>
/** A public key that bundles are signed with. */
export type PolicyKey = z.infer<typeof policyKeySchema>
