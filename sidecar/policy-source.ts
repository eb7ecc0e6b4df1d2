import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ChannelAnswer, Counter } from '@agentcostcontrol/contract'
import type { Clock, Timers } from './clock.ts'
import type { OnStale, PolicySource } from './config.ts'
import { ConfigError } from './config-error.ts'
import { type TrustedKey, trustedKeys } from './control/bundle.ts'
import { type Channel, type ChannelOptions, createChannel } from './control/channel.ts'
import type { ControlPlaneClient } from './control/client.ts'
import { type LastWord, openLastWord } from './control/last-word.ts'
import type { Logger } from './log.ts'
import { openBundledPolicies } from './policy-from-control-plane.ts'
import { openFolderPolicies } from './policy-from-folder.ts'
import type { PolicyStore, Staleness } from './policy-store.ts'

/** The policy in force, and where it comes from. */
export interface Policies {
  readonly store: PolicyStore
  /** `null` while the sidecar stands alone. */
  readonly channel: Channel | null
  readonly lastWord: LastWord | null
  close(): Promise<void>
}

/** What it needs. */
export interface PoliciesOptions {
  readonly source: PolicySource
  readonly dataDir: string
  /** `null` while the sidecar stands alone. */
  readonly client: ControlPlaneClient | null
  /** What people say: said on the channel that policies come on. */
  readonly commands: ChannelOptions['commands']
  /** The index of threat intelligence: the same; `null` while the sidecar stands alone. */
  readonly intel: ChannelOptions['intel'] | null
  /** Gives back what is free of these counters' leases. */
  recall(counters: readonly Counter[]): void
  readonly clock: Clock
  readonly timers: Timers
  random(): number
  readonly log: Logger
}

/** Opens the policy of a folder, or that of the control plane and the channel that it comes on. */
export async function openPolicies(options: PoliciesOptions): Promise<Policies> {
  const { source, dataDir, client, commands, intel, clock, timers, random, log } = options
  if (source.kind === 'folder' || client === null || intel === null) {
    const folder = source.kind === 'folder' ? source.folder : ''
    const lastGoodFile = join(dataDir, 'policy-last-good.json')
    const store = await openFolderPolicies({ folder, lastGoodFile, clock, log })
    return { store, channel: null, lastWord: null, close: async () => store.close() }
  }
  const store = await openBundledPolicies({
    file: join(dataDir, 'policy-bundle.json'),
    pinned: source.keyFile === null ? null : await readKeys(source.keyFile),
    told: client.policyKeys,
    clock,
    log,
  })
  const lastWord = await openLastWord({
    file: join(dataDir, 'control-plane-last-word'),
    staleAfterMs: source.staleAfterMs,
    onStale: (stale) => store.age(stale ? WHEN_STALE[source.onStale] : 'fresh'),
    clock,
    timers,
    log,
  })
  const { staleAfterMs } = source
  const onAnswer = lastWord.heard
  const leases = {
    version: 0,
    take: ({ version, recalls }: Recalled): void => {
      options.recall(recalls.map(({ counter }) => counter))
      leases.version = version
    },
  }
  const parts = { client, policies: store, leases, commands, intel, clock, timers, random, log }
  const channel = createChannel({ ...parts, staleAfterMs, onAnswer })
  return {
    store,
    channel,
    lastWord,
    close: async () => {
      lastWord.close()
      store.close()
      await channel.close()
    },
  }
}

type Recalled = NonNullable<ChannelAnswer['leases']>

const WHEN_STALE: Readonly<Record<OnStale, Staleness>> = { keep: 'fresh', failOpen: 'open', failClosed: 'closed' }

async function readKeys(file: string): Promise<readonly TrustedKey[]> {
  try {
    return trustedKeys(await readFile(file, 'utf8'))
  } catch (error) {
    throw new ConfigError(
      `ACC_POLICY_KEY_FILE ${file} holds no public keys that can be used: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}
