import { createHash, randomBytes } from 'node:crypto'

/** What a key is for: the API, enrolling sidecars, or being one sidecar. */
export const KEY_KINDS = ['admin', 'enrolment', 'sidecar'] as const
/** One of {@link KEY_KINDS}. */
export type KeyKind = (typeof KEY_KINDS)[number]

/**
 * A key as text: its kind, its organisation and its id, so that the row can be looked up within the organisation, and 256
 * random bits, of which the database has the hash alone. So many bits need no slow hash.
 */
export interface ParsedKey {
  readonly kind: KeyKind
  readonly orgId: string
  readonly keyId: string
  readonly secretHash: Buffer
}

const FORM = /^ak-(admin|enrolment|sidecar)-([0-9a-f]{32})-([0-9a-f]{32})-([\w-]{43})$/

/** Makes a key. @returns its text, which is shown once, and what is stored */
export function makeKey(kind: KeyKind, orgId: string, keyId: string): { readonly text: string; readonly hash: Buffer } {
  const secret = randomBytes(32).toString('base64url')
  const bare = (uuid: string): string => uuid.replaceAll('-', '')
  return { text: `ak-${kind}-${bare(orgId)}-${bare(keyId)}-${secret}`, hash: hashOf(secret) }
}

/** Reads a key; `null` for anything else. */
export function parseKey(text: string): ParsedKey | null {
  const [, name, org = '', key = '', secret = ''] = FORM.exec(text) ?? []
  const kind = KEY_KINDS.find((known) => known === name)
  return kind === undefined ? null : { kind, orgId: dashed(org), keyId: dashed(key), secretHash: hashOf(secret) }
}

const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest()
const dashed = (hex: string): string => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
