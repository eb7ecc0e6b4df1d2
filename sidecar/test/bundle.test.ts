import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { bundleSigner } from '../../test/support/bundles.ts'
import { AMPLE_BUDGET } from '../../test/support/sidecar.ts'
import { keysOf, openBundle, trustedKeys } from '../control/bundle.ts'

const signer = bundleSigner()
const keys = keysOf([signer.key])
const bundle = signer.bundle({ 'budget.yaml': AMPLE_BUDGET })

t.test('a bundle that is signed is read, and one that was changed in any byte is not', async (t) => {
  t.match(openBundle(bundle, keys), { ok: true, manifest: { generation: 1, files: [{ text: AMPLE_BUDGET }] } })
  fc.assert(
    fc.property(fc.nat(bundle.manifest.length - 1), fc.string({ minLength: 1, maxLength: 3 }), (at, text) => {
      const manifest = bundle.manifest.slice(0, at) + text + bundle.manifest.slice(at + text.length)
      return manifest === bundle.manifest || !openBundle({ ...bundle, manifest }, keys).ok
    }),
  )
  const cut = bundle.signature.slice(0, -4)
  for (const signature of ['', cut, Buffer.alloc(64).toString('base64'), signer.bundle({}).signature])
    t.match(openBundle({ ...bundle, signature }, keys), { ok: false, reason: /its signature is not that of the key/ })
})

t.test('what is read are the bytes that were signed: text that has the same bytes says the same', async (t) => {
  const odd = signer.bundle({ 'a.yaml': '# \ufffd' })
  const manifest = odd.manifest.replace('\ufffd', '\ud800')
  t.match(openBundle({ ...odd, manifest }, keys), { ok: true, manifest: { files: [{ text: '# \ufffd' }] } })
})

t.test('a key that is not trusted signs nothing, whatever it calls itself', async (t) => {
  const other = bundleSigner()
  const forged = other.bundle({ 'budget.yaml': AMPLE_BUDGET })
  t.match(openBundle(forged, keys), { ok: false, reason: `trusted are ${signer.key.keyId}` })
  t.match(openBundle({ ...forged, keyId: signer.key.keyId }, keys), { ok: false, reason: /its signature is not/ })
  t.match(openBundle(bundle, []), { ok: false, reason: /trusted are none/ })
  const misnamed = keysOf([{ ...other.key, keyId: signer.key.keyId }])
  t.match(openBundle({ ...forged, keyId: signer.key.keyId }, misnamed), { ok: false }, 'an id is made of its key')
  t.equal(openBundle(forged, misnamed).ok, true)
})

t.test('a signature does not excuse a manifest that is not one, or that tells another revision', async (t) => {
  const wrong = { revision: 'a'.repeat(64) }
  t.match(openBundle(signer.bundle({}, wrong), keys), { ok: false, reason: /says revision aaa.*and its files are/ })
  for (const over of [{ orgId: 'x' }, { generation: 0 }, { generation: 1.5 }, { files: 1 }, { more: 1 }] as const)
    t.match(openBundle(signer.bundle({}, over as object), keys), { ok: false, reason: /manifest cannot be read/ })
})

t.test('pinned keys are read from PEM, all of them, and what is no Ed25519 key is refused', async (t) => {
  const other = bundleSigner()
  const pem = `# ours\n${signer.key.publicKey}\n${other.key.publicKey}`
  t.same(
    trustedKeys(pem).map(({ keyId }) => keyId),
    [signer.key.keyId, other.key.keyId],
  )
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ec = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  t.throws(() => trustedKeys(ec), /expected an Ed25519 key, this is ec/)
  t.throws(() => trustedKeys('nonsense'), /BEGIN PUBLIC KEY/)
  t.same(keysOf([{ keyId: '0'.repeat(16), publicKey: ec }]), [], 'one that is told and cannot be used is passed over')
})
