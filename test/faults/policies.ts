import { type Edit, edit, type Fault } from './fault.ts'

const SERVICE = 'control-plane/policies/service.ts'

const fault =
  (test: string) =>
  (name: string, only: string, edits: readonly Edit[]): Fault => ({
    name: `policies: ${name}`,
    edits,
    test,
    only: [only],
  })

const tests = fault('policy/test/policy-test.test.ts')
const publishing = fault('control-plane/test/policies.test.ts')
const signer = fault('control-plane/test/signer.test.ts')
const provenance = fault('control-plane/test/provenance.test.ts')

/** What a revision is held to, and how it is published. */
export const POLICIES: readonly Fault[] = [
  tests(
    'a budget more than a test expects is none of its business',
    'a test made of what the policy decides',
    edit('policy/policy-test.ts', 'wanted.join() !== got.join()', '!wanted.every((each) => got.includes(each))'),
  ),
  tests(
    'what is expected of answers is held against requests',
    'a test made of what the policy decides',
    edit('policy/policy-test.ts', 'found[direction][severity])', 'found.request[severity])'),
  ),
  publishing(
    'replicas publish at the same moment',
    'two replicas that see the same revision',
    edit(
      SERVICE,
      '        await policyRepository.lock(tx)\n        if (additionsKey(await additions(tx)) !== additionsKey(before)) return null',
      '',
    ),
  ),
  publishing(
    'a generation is the clock alone',
    'a generation never falls',
    edit(
      'control-plane/policies/repository.ts',
      'greatest(coalesce(max(number), 0) + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)',
      'coalesce(max(0), 0) + (extract(epoch FROM clock_timestamp()) * 1000)::bigint',
    ),
  ),
  publishing(
    'folders that differ take turns',
    'two replicas whose folders differ',
    edit(
      SERVICE,
      'return folders.some((other) => other.replica !== replica && other.revision === current.folderRevision)',
      'return folders.length === 0',
    ),
  ),
  publishing(
    'an emptied folder takes every limit away',
    'a folder that is emptied or vanishes',
    edit(SERVICE, 'files.length === 0 && current !== null && folderOf(current).length > 0', 'files.length < 0'),
  ),
  publishing(
    'a bad revision is no reason to keep the last',
    'a bad revision changes nothing',
    edit(
      'control-plane/policies/publisher.ts',
      'const verdict = check.ok ? { ok: true as const, checked: check } : check',
      'const verdict = { ok: true as const, checked: check.ok ? check : { revision, documents: [], budgets: [], tests: 0 } }',
    ),
  ),
  publishing(
    'what is signed is not what is sent',
    'a folder is published as one bundle',
    edit(
      'control-plane/policies/signer.ts',
      'sign(null, Buffer.from(manifest), privateKey)',
      'sign(null, Buffer.from(manifest.toLowerCase()), privateKey)',
    ),
  ),
  signer(
    'a replica signs with a key of its own',
    'a replica with another key',
    edit('control-plane/policies/signer.ts', 'if (inForce !== own.publicKey) {', 'if (inForce === "") {'),
  ),
  provenance(
    'git says what is committed, and nobody looks',
    'whatever makes the files others',
    edit(
      'control-plane/policies/provenance.ts',
      'hash === undefined || hash !== blobHash(text, hash.length)',
      'hash === undefined',
    ),
  ),
]
