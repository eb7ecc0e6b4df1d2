import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { policyKeySchema } from '@agentcostcontrol/contract'
import t from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { budgetYaml, writePolicies } from '../../test/support/sidecar.ts'
import { createPolicyService } from '../policies/service.ts'
import { openSigner } from '../policies/signer.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { policiesFor } from './support/policies.ts'

const newDatabase = await clusterFor(t)

async function installation() {
  const db = await databaseFor(t, await newDatabase())
  const folder = folderFor(t)
  const keyFile = join(folder, 'new', 'key.pem')
  const open = (file = keyFile, formerKeyFiles: readonly string[] = []) =>
    openSigner({ database: db.database, keyFile: file, formerKeyFiles })
  return { db, folder, keyFile, open }
}

t.test('the first start makes a key that its owner alone can read, and every later one takes it', async (t) => {
  const { keyFile, open } = await installation()
  const first = await open()
  t.equal(statSync(keyFile).mode & 0o777, 0o600)
  t.match(readFileSync(keyFile, 'utf8'), /^-----BEGIN PRIVATE KEY-----/)
  t.same((await open()).keys, first.keys)
  t.equal(first.keys.length, 1)
  const [key] = first.keys
  t.same(policyKeySchema.parse(key), key)
  t.notMatch(JSON.stringify(first.keys), 'PRIVATE')
})

t.test('a replica with another key, or with none, does not start, and is told what to do', async (t) => {
  const { folder, open, keyFile } = await installation()
  const { keyId } = await open()
  const other = join(folder, 'other.pem')
  writeFileSync(other, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await t.rejects(open(other), new RegExp(`is not the key ${keyId} .*: copy that key's file from another replica`))
  const none = join(folder, 'none.pem')
  await t.rejects(open(none), new RegExp(`there is no key at .*none\\.pem, .* signed with the key ${keyId}: copy that`))
  t.notOk(existsSync(none), 'none is made')
  rmSync(keyFile)
  await t.rejects(open(), /there is no key at/, 'nor where one was lost')
})

t.test('of two replicas that start for the first time at once one makes the key', async (t) => {
  const { folder, open } = await installation()
  const files = ['one', 'two', 'three'].map((name) => join(folder, name))
  const outcomes = await Promise.allSettled(files.map((file) => open(file)))
  t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
  t.equal(files.filter(existsSync).length, 1, 'no key is left that signs nothing')
  const [kept = ''] = files.filter(existsSync)
  await t.resolves(open(kept))
})

t.test('two replicas that share the file and start for the first time at once have the same key', async (t) => {
  const { open } = await installation()
  const signers = await Promise.all([open(), open(), open()])
  t.equal(new Set(signers.map(({ keyId }) => keyId)).size, 1)
})

t.test('a new key replaces one that is named as a former one, and both are given out', async (t) => {
  const { folder, open, keyFile } = await installation()
  const old = await open()
  const next = join(folder, 'next.pem')
  writeFileSync(next, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const publicOld = join(folder, 'old-public.pem')
  writeFileSync(publicOld, old.keys[0]?.publicKey ?? '')
  const rotated = await open(next, [publicOld])
  t.not(rotated.keyId, old.keyId)
  t.same(
    rotated.keys.map(({ keyId }) => keyId),
    [rotated.keyId, old.keyId],
  )
  t.same((await open(next, [keyFile])).keys, rotated.keys, 'a private key does as well')
  t.equal((await open(next)).keys.length, 1, 'once the former one is let go of')
  await t.rejects(open(), /is not the key/, 'the old one does not come back')
})

t.test('what is in force is signed with the new key from its first start on', async (t) => {
  const db = await databaseFor(t, await newDatabase())
  const policies = await policiesFor(t, db)
  const { orgId, service, signer } = policies
  const folder = folderFor(t)
  writePolicies(folder, { 'a.yaml': budgetYaml({ name: 'a', limit: '1.00' }) })
  await policies.watch(folder)
  const before = await service.newerThan(orgId, 0)
  t.equal(before?.keyId, signer.keyId)
  const [keyFile, formerFile] = [join(folder, 'next.pem'), join(folder, 'former.pem')]
  writeFileSync(keyFile, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(formerFile, signer.keys[0]?.publicKey ?? '')
  const next = await openSigner({ database: db.database, keyFile, formerKeyFiles: [formerFile] })
  const rotated = createPolicyService({ database: db.database, signer: next, wakes: { announce: async () => {} } })
  await rotated.resign(orgId)
  const after = await rotated.newerThan(orgId, 0)
  t.equal(after?.manifest, before?.manifest, 'the same generation')
  t.equal(after?.keyId, next.keyId)
  t.equal(after?.signature, next.sign(after?.manifest ?? '').signature)
})

t.test('a file that holds no such key is named', async (t) => {
  const { folder, open } = await installation()
  const wrong = join(folder, 'wrong.pem')
  writeFileSync(wrong, 'nonsense')
  await t.rejects(open(wrong), /wrong\.pem does not hold a private key as PEM/)
  writeFileSync(
    wrong,
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
  )
  await t.rejects(open(wrong), /wrong\.pem holds a key of the kind ec: an Ed25519 key is needed/)
  await t.rejects(open(join(folder, 'key.pem'), [wrong]), /an Ed25519 key is needed/)
})
