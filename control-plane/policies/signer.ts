import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
  sign,
} from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import type { PolicyKey, SignedBundle } from '@agentcostcontrol/contract'
import type { Database } from '../db/database.ts'
import { signingKeyRepository } from './repository.ts'

/** Signs what sidecars are sent, with a key that stands in a file and never in the database. */
export interface Signer {
  /** Of the key that it signs with. */
  readonly keyId: string
  /** That key's public half, and those of former ones, whose signatures still hold. */
  readonly keys: readonly PolicyKey[]
  sign(manifest: string): SignedBundle
}

/** Where the keys are. */
export interface SignerOptions {
  readonly database: Database
  /** A private key, PEM; made at the first start of an installation. */
  readonly keyFile: string
  /** Public or private keys, PEM, that bundles were signed with before. */
  readonly formerKeyFiles: readonly string[]
}

/**
 * Opens the key, or makes it at the first start of an installation, whose public half the database keeps.
 * @throws with what to do if the key is not that of the installation
 */
export async function openSigner({ database, keyFile, formerKeyFiles }: SignerOptions): Promise<Signer> {
  const former = formerKeyFiles.map((file) => publicKeyOf(createPublicKey, file))
  const noted = await database.inNone(signingKeyRepository.noted)
  const missing = !existsSync(keyFile)
  if (missing && noted !== null)
    throw new Error(
      `there is no key at ${keyFile}, and the policies of this installation are signed with the key ${keyIdOf(noted)}: copy that file from another replica or a backup, or name it by CONTROL_PLANE_SIGNING_KEY_FILE. If it is lost, see docs/control-plane.md`,
    )
  const isNew = missing && makeKey(keyFile)
  const privateKey = readKey(keyFile)
  const own = describe(createPublicKey(privateKey))
  // Of two replicas that start for the first time one notes its key; a former key is replaced by the one that follows it.
  const inForce = await database.inNone((tx) =>
    signingKeyRepository.note(
      tx,
      own.publicKey,
      former.map(({ publicKey }) => publicKey),
    ),
  )
  if (inForce !== own.publicKey) {
    if (isNew) rmSync(keyFile)
    throw new Error(
      `the key ${own.keyId} of ${keyFile} is not the key ${keyIdOf(inForce)} that the policies of this installation are signed with: copy that key's file from another replica. To go over to a new key on purpose, name the file of the old one by CONTROL_PLANE_FORMER_KEY_FILES as well`,
    )
  }
  return {
    keyId: own.keyId,
    keys: [own, ...former.filter(({ keyId }) => keyId !== own.keyId)],
    sign: (manifest) => ({
      manifest,
      keyId: own.keyId,
      signature: sign(null, Buffer.from(manifest), privateKey).toString('base64'),
    }),
  }
}

/**
 * Makes a key, readable by its owner alone, whole and on disk before it has its name.
 * @returns whether it is ours: another replica that shares the folder may have been first
 */
function makeKey(file: string): boolean {
  const { privateKey } = generateKeyPairSync('ed25519')
  mkdirSync(dirname(file), { recursive: true })
  const raw = `${file}.${process.pid}.${randomUUID()}`
  const handle = openSync(raw, 'wx', 0o600)
  try {
    writeSync(handle, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
    fsyncSync(handle)
    linkSync(raw, file)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  } finally {
    closeSync(handle)
    rmSync(raw)
  }
}

function readKey(file: string): KeyObject {
  const key = parse(createPrivateKey, file, 'a private key')
  publicKeyOf(() => createPublicKey(key), file)
  return key
}

/** What is told of a public key; `file` is named when it is of another kind. */
function publicKeyOf(read: (pem: string) => KeyObject, file: string): PolicyKey {
  const key = parse(read, file, 'a key')
  if (key.asymmetricKeyType !== 'ed25519')
    throw new Error(`${file} holds a key of the kind ${key.asymmetricKeyType}: an Ed25519 key is needed`)
  return describe(key)
}

function parse(read: (pem: string) => KeyObject, file: string, what: string): KeyObject {
  const pem = readFileSync(file, 'utf8')
  try {
    return read(pem)
  } catch (cause) {
    throw new Error(`${file} does not hold ${what} as PEM`, { cause })
  }
}

function describe(key: KeyObject): PolicyKey {
  const publicKey = key.export({ type: 'spki', format: 'pem' }).toString()
  return { keyId: keyIdOf(publicKey), publicKey }
}

/** The first 8 bytes of the SHA-256 of the key as SPKI DER, hex. */
const keyIdOf = (pem: string): string =>
  createHash('sha256')
    .update(createPublicKey(pem).export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 16)
