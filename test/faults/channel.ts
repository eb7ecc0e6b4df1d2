import { type Edit, edit, type Fault } from './fault.ts'

const CHANNEL = 'control-plane/sidecars/channel.ts'
const SIDECARS = 'sidecar/policy-from-control-plane.ts'
const BUNDLE = 'sidecar/control/bundle.ts'
const WORD = 'sidecar/control/last-word.ts'

const fault =
  (test: string) =>
  (name: string, only: string, edits: readonly Edit[]): Fault => ({
    name: `channel: ${name}`,
    edits,
    test,
    only: [only],
  })

const wakes = fault('control-plane/test/wakes.test.ts')
const down = fault('control-plane/test/channel.test.ts')
const bundle = fault('sidecar/test/bundle.test.ts')
const word = fault('sidecar/test/last-word.test.ts')
const whole = fault('test/integration/policy-channel.test.ts')

/** Policies down, and what sidecars say of them. */
export const CHANNEL_FAULTS: readonly Fault[] = [
  wakes(
    'nobody is told "perhaps" after a reconnect',
    'what was committed before it listened',
    edit(
      'control-plane/db/wakes.ts',
      '        // What was committed before this is told to nobody else.\n        perhaps()\n',
      '',
    ),
  ),
  wakes(
    'a connection that is silent is trusted',
    'gone silent',
    edit('control-plane/db/wakes.ts', '    current.silentBeats = 1\n', ''),
  ),
  down(
    'what was refused is sent again',
    'what a sidecar refused',
    edit(CHANNEL, 'Math.max(versions.policy, refused?.generation ?? 0)', 'versions.policy'),
  ),
  down(
    'a bundle is read for every poll',
    'a bundle is read once',
    edit(CHANNEL, '(org.bundle?.generation ?? 0) < generation', 'generation > 0'),
  ),
  down(
    'a wake of one organisation looks for all',
    'a wake answers the polls of its organisation alone',
    edit(
      CHANNEL,
      'for (const poll of behind()) poll.end(bundle.answer)',
      'for (const each of organisations.values()) for (const poll of [...each.polls.values()]) poll.end(bundle.answer)',
    ),
  ),
  down(
    'a poll whose sidecar left is held',
    'forgotten at once',
    edit(CHANNEL, "gone.addEventListener('abort', () => made.end(NOTHING), { once: true })", ''),
  ),
  down(
    'a stop waits for its polls',
    'a control plane with polls stops',
    edit('control-plane/main.ts', "  closers.push(['polls', channel.close])\n", ''),
  ),
  down(
    'every poll is written down',
    'says the same again',
    edit('control-plane/sidecars/register.ts', 'before?.says === says && ', 'before === null && '),
  ),
  down(
    'a poll that waits is taken for a dead connection',
    'not taken for dead',
    edit('control-plane/sidecars/routes.ts', 'raw.socket.setTimeout(ask.waitMs + SILENCE_MS_MAX)', ''),
  ),
  bundle(
    'a signature is not looked at',
    'changed in any byte',
    edit(
      BUNDLE,
      "if (!verify(null, bytes, trusted.key, Buffer.from(bundle.signature, 'base64')))",
      'if (bytes.length === 0)',
    ),
  ),
  bundle('a key is believed to be what it is called', 'whatever it calls itself', [
    ...edit(BUNDLE, 'keys.flatMap(({ publicKey }) => {', 'keys.flatMap(({ keyId, publicKey }) => {'),
    ...edit(BUNDLE, 'return [trustedKey(publicKey)]', 'return [{ ...trustedKey(publicKey), keyId }]'),
  ]),
  bundle(
    'files may have another revision',
    'another revision',
    edit(BUNDLE, 'if (revision !== manifest.revision)', 'if (revision === "")'),
  ),
  whole(
    'a bundle of another organisation is taken',
    'a forged bundle',
    edit(SIDECARS, 'if (this.#orgId !== null && orgId !== this.#orgId)', 'if (this.#orgId === "")'),
  ),
  whole(
    'an older generation is taken',
    'a forged bundle',
    edit(SIDECARS, 'if (generation <= inForce)', 'if (generation < 0)'),
  ),
  whole(
    'an older generation is taken after a restart',
    'after a restart the bundle',
    edit(
      'sidecar/policy-store.ts',
      "this.#swap(policy, { generation, source: 'last-known-good' })",
      "this.#swap(policy, { generation: 0, source: 'last-known-good' })",
    ),
  ),
  whole(
    'what was kept is not verified',
    'after a restart the bundle',
    edit(
      SIDECARS,
      'openBundle(kept.bundle, pinned ?? keysOf(kept.policyKeys))',
      '{ ok: true as const, manifest: JSON.parse(kept.bundle.manifest) }',
    ),
  ),
  whole(
    'pinned keys are not the only ones',
    'pinned keys alone',
    edit(SIDECARS, 'if (pinned !== null) return pinned\n', ''),
  ),
  whole(
    'a poll that fails is repeated without a pause',
    'cause no storm',
    edit(
      'sidecar/control/channel.ts',
      'await pauses.wait(backoffMs(BACKOFF, failuresInARow, random()))',
      'await pauses.wait(0)',
    ),
  ),
  whole(
    'a policy is stale for ever',
    'a policy that is too old',
    edit(WORD, '      judge()\n      save()\n', '      save()\n'),
  ),
  word(
    'the wall clock alone says how old it is',
    'the larger of both clocks',
    edit(WORD, 'Math.max(clock.nowMs() - atWallMs, clock.monotonicMs() - atMonotonicMs)', 'clock.nowMs() - atWallMs'),
  ),
  word(
    'the monotonic clock alone says how old it is',
    'the larger of both clocks',
    edit(
      WORD,
      'Math.max(clock.nowMs() - atWallMs, clock.monotonicMs() - atMonotonicMs)',
      'clock.monotonicMs() - atMonotonicMs',
    ),
  ),
  word('a restart begins anew', 'a restart does not make', edit(WORD, 'ever ? kept : clock.nowMs()', 'clock.nowMs()')),
]
