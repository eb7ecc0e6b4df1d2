import { PROVIDER_NAMES, type ProviderName, providerFacts } from '@agentcostcontrol/contract'
import { nearest } from '@agentcostcontrol/policy'
import * as z from 'zod'
import { ConfigError, LABEL } from './config-error.ts'
import { readPodInfo } from './pod-info.ts'

/** Where a listener binds. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** Parts of a principal that a client may name by `x-acc-*` headers. */
const TRUSTABLE = ['agent', 'workflow', 'session', 'task', 'tags'] as const
/** One of {@link TRUSTABLE}. */
export type Trustable = (typeof TRUSTABLE)[number]

/** Base URLs of the providers whose address is known. */
export type Upstreams = ReadonlyMap<ProviderName, string>

/** Everything that a sidecar can be told from outside. docs/configuration.md is its reference. */
export interface SidecarConfig {
  readonly listen: ListenAddress
  readonly adminListen: ListenAddress
  readonly dataDir: string
  readonly policies: PolicySource
  readonly rateCardFile: string | null
  /** Base URL by provider; a ProviderConfig document wins over it. */
  readonly upstreams: Upstreams
  readonly identity: {
    readonly agent: string | null
    readonly workflow: string | null
    readonly session: string | null
    readonly tags: Readonly<Record<string, string>>
  }
  readonly trustHeaders: ReadonlySet<Trustable>
  readonly bodyBytesMax: number
  readonly bufferedBytesMax: number
  readonly headerBytesMax: number
  readonly concurrencyMax: number
  /** Connections of clients at once. */
  readonly connectionsMax: number
  readonly requestTimeoutMs: number
  /** A client that takes nothing of its answer for so long is treated as gone. */
  readonly clientStallTimeoutMs: number
  readonly drainTimeoutMs: number
  readonly eventsMax: number
  /** Where events are brought up to, and policies come from; `null` while it stands alone. */
  readonly controlPlane: { readonly url: string; readonly tokenFile: string } | null
  readonly scanThreadsMax: number
  readonly scanQueueMax: number
  readonly verdictCacheMax: number
  /** Folder of threat-intelligence lists, watched; `null` for none. */
  readonly threatIntelDir: string | null
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly parentWatch: boolean
}

/** Where policies come from: a folder, or the control plane alone. */
export type PolicySource =
  | { readonly kind: 'folder'; readonly folder: string }
  | {
      readonly kind: 'controlPlane'
      /** Public keys that alone may sign; `null` for those that the control plane tells. */
      readonly keyFile: string | null
      readonly onStale: OnStale
      /** Silence of the control plane after which the policy is stale. */
      readonly staleAfterMs: number
    }

const ON_STALE = ['keep', 'failOpen', 'failClosed'] as const
/** What is done about requests once the policy is stale. */
export type OnStale = (typeof ON_STALE)[number]

const address = z
  .string()
  .regex(/^(?:\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, 'expected host:port, like 127.0.0.1:4000')
  .transform((text) => {
    const colon = text.lastIndexOf(':')
    return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) }
  })
  .refine(({ port }) => port <= 65_535, 'a port is at most 65535')

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'expected a whole number')
    .transform(Number)
    .refine((value) => value >= min && value <= max, `expected ${min} to ${max}`)

const label = z.string().regex(LABEL, 'expected 1 to 253 characters without control characters')

const pairs = z.string().transform((text, context) => {
  const entries: [string, string][] = []
  for (const pair of text.split(',').filter((part) => part.trim() !== '')) {
    const equals = pair.indexOf('=')
    const key = pair.slice(0, equals).trim()
    if (equals < 1 || !LABEL.test(key) || entries.length >= 32) {
      context.addIssue({ code: 'custom', message: 'expected up to 32 pairs like team=search,tier=gold' })
      return z.NEVER
    }
    entries.push([key, pair.slice(equals + 1).trim()])
  }
  return Object.fromEntries(entries)
})

const baseUrl = z
  .url({ protocol: /^https?$/, error: 'expected an http or https URL, like https://api.openai.com/v1' })
  .refine((text) => !/[?#]/.test(text), 'a base URL has no query and no fragment')
  .refine((text) => !/^[a-z]+:\/\/[^/]*@/i.test(text), 'a base URL holds no user and no password')

/** The variable that says where a provider is. */
export const upstreamVariable = (name: ProviderName): string => `ACC_UPSTREAM_${name.toUpperCase()}`

const POLICY_DIR = 'policies/starter'

const environment = z.object({
  ACC_LISTEN: address.prefault('127.0.0.1:4000'),
  ACC_ADMIN_LISTEN: address.prefault('127.0.0.1:4001'),
  ACC_DATA_DIR: z.string().min(1).default('.acc/sidecar'),
  ACC_POLICY_DIR: z.string().min(1).default(POLICY_DIR),
  ACC_POLICY_KEY_FILE: z.string().min(1).optional(),
  ACC_ON_STALE: z.enum(ON_STALE).default('keep'),
  ACC_STALE_AFTER_MS: integer(1_000, 31_536_000_000).prefault('86400000'),
  ACC_RATE_CARD: z.string().min(1).optional(),
  ...Object.fromEntries(
    PROVIDER_NAMES.map((name) => {
      const known = providerFacts(name).baseUrl
      return [upstreamVariable(name), known === null ? baseUrl.optional() : baseUrl.default(known)]
    }),
  ),
  ACC_AGENT: label.optional(),
  ACC_WORKFLOW: label.optional(),
  ACC_SESSION: label.optional(),
  ACC_TAGS: pairs.prefault(''),
  ACC_PODINFO_DIR: z.string().min(1).optional(),
  ACC_TRUST_HEADERS: z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
    .pipe(z.array(z.enum(TRUSTABLE)))
    .prefault('session,task'),
  ACC_BODY_BYTES_MAX: integer(1_024, 1_073_741_824).prefault('67108864'),
  ACC_BUFFERED_BYTES_MAX: integer(1_048_576, 17_179_869_184).prefault('536870912'),
  ACC_HEADER_BYTES_MAX: integer(1_024, 1_048_576).prefault('65536'),
  ACC_CONCURRENCY_MAX: integer(1, 100_000).prefault('1024'),
  ACC_CONNECTIONS_MAX: integer(1, 1_000_000).optional(),
  ACC_REQUEST_TIMEOUT_MS: integer(100, 3_600_000).prefault('60000'),
  ACC_CLIENT_STALL_TIMEOUT_MS: integer(100, 3_600_000).prefault('300000'),
  ACC_DRAIN_TIMEOUT_MS: integer(0, 3_600_000).prefault('25000'),
  ACC_EVENTS_MAX: integer(1_000, 100_000_000).prefault('1000000'),
  ACC_CONTROL_PLANE_URL: baseUrl.optional(),
  ACC_CONTROL_PLANE_TOKEN_FILE: z.string().min(1).default('/var/run/secrets/agentcostcontrol/token'),
  ACC_SCAN_THREADS_MAX: integer(1, 64).prefault('2'),
  ACC_SCAN_QUEUE_MAX: integer(1, 100_000).prefault('256'),
  ACC_VERDICT_CACHE_MAX: integer(100, 10_000_000).prefault('50000'),
  ACC_THREAT_INTEL_DIR: z.string().min(1).optional(),
  ACC_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  ACC_PARENT_WATCH: z.enum(['0', '1']).default('0'),
})

/** Every variable with its default as text, `null` where there is none; docs/configuration.md is held to it. */
export const CONFIG_VARIABLES: readonly { readonly name: string; readonly fallback: string | null }[] = Object.entries(
  environment.shape,
).map(([name, schema]) => ({
  name,
  fallback:
    schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault ? String(schema.def.defaultValue ?? '') : null,
}))

/** Connections of clients beyond the requests at once: what keep-alive leaves open. */
const IDLE_CONNECTIONS_MAX = 1_024

/** An empty value says "none" where a list is expected, and elsewhere the same as no value: charts and shells leave them behind. */
const MAY_BE_EMPTY: ReadonlySet<string> = new Set(['ACC_TAGS', 'ACC_TRUST_HEADERS'])

/** Reads the environment, and the Kubernetes downward API's files where a folder is named. @throws ConfigError */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): SidecarConfig {
  const ours = Object.fromEntries(
    Object.entries(env).filter(([name, value]) => name.startsWith('ACC_') && (value !== '' || MAY_BE_EMPTY.has(name))),
  )
  const parsed = environment.safeParse(ours)
  const mistakes = [
    ...unknownVariables(ours),
    ...twoSources(ours),
    ...(parsed.success ? [] : parsed.error.issues.map(mistake(ours))),
  ]
  if (!parsed.success || mistakes.length > 0) {
    throw new ConfigError(
      `the configuration is not valid (docs/configuration.md tells of every variable):\n${mistakes.join('\n')}`,
    )
  }
  const values = parsed.data
  const pod = values.ACC_PODINFO_DIR === undefined ? {} : readPodInfo(values.ACC_PODINFO_DIR)
  return {
    listen: values.ACC_LISTEN,
    adminListen: values.ACC_ADMIN_LISTEN,
    dataDir: values.ACC_DATA_DIR,
    policies: policySource(values),
    rateCardFile: values.ACC_RATE_CARD ?? null,
    upstreams: readUpstreams(values),
    identity: {
      agent: values.ACC_AGENT ?? pod.agent ?? null,
      workflow: values.ACC_WORKFLOW ?? pod.workflow ?? null,
      session: values.ACC_SESSION ?? pod.session ?? null,
      tags: values.ACC_TAGS,
    },
    trustHeaders: new Set(values.ACC_TRUST_HEADERS),
    bodyBytesMax: values.ACC_BODY_BYTES_MAX,
    bufferedBytesMax: values.ACC_BUFFERED_BYTES_MAX,
    headerBytesMax: values.ACC_HEADER_BYTES_MAX,
    concurrencyMax: values.ACC_CONCURRENCY_MAX,
    connectionsMax: values.ACC_CONNECTIONS_MAX ?? values.ACC_CONCURRENCY_MAX + IDLE_CONNECTIONS_MAX,
    requestTimeoutMs: values.ACC_REQUEST_TIMEOUT_MS,
    clientStallTimeoutMs: values.ACC_CLIENT_STALL_TIMEOUT_MS,
    drainTimeoutMs: values.ACC_DRAIN_TIMEOUT_MS,
    eventsMax: values.ACC_EVENTS_MAX,
    controlPlane:
      values.ACC_CONTROL_PLANE_URL === undefined
        ? null
        : { url: values.ACC_CONTROL_PLANE_URL, tokenFile: values.ACC_CONTROL_PLANE_TOKEN_FILE },
    scanThreadsMax: values.ACC_SCAN_THREADS_MAX,
    scanQueueMax: values.ACC_SCAN_QUEUE_MAX,
    verdictCacheMax: values.ACC_VERDICT_CACHE_MAX,
    threatIntelDir: values.ACC_THREAT_INTEL_DIR ?? null,
    logLevel: values.ACC_LOG_LEVEL,
    parentWatch: values.ACC_PARENT_WATCH === '1',
  }
}

function policySource(values: z.infer<typeof environment>): PolicySource {
  if (values.ACC_CONTROL_PLANE_URL === undefined) return { kind: 'folder', folder: values.ACC_POLICY_DIR }
  return {
    kind: 'controlPlane',
    keyFile: values.ACC_POLICY_KEY_FILE ?? null,
    onStale: values.ACC_ON_STALE,
    staleAfterMs: values.ACC_STALE_AFTER_MS,
  }
}

/** Of two policies one would be in force, and nobody could say which. */
const twoSources = (env: Readonly<Record<string, string | undefined>>): readonly string[] =>
  env.ACC_CONTROL_PLANE_URL === undefined || env.ACC_POLICY_DIR === undefined
    ? []
    : [
        '  ACC_POLICY_DIR: with ACC_CONTROL_PLANE_URL policies come from the control plane alone: leave one of the two out, and put the files where its CONTROL_PLANE_POLICY_DIR is',
      ]

function readUpstreams(values: Readonly<Record<string, unknown>>): Upstreams {
  const upstreams = new Map<ProviderName, string>()
  for (const name of PROVIDER_NAMES) {
    const value = values[upstreamVariable(name)]
    if (typeof value === 'string') upstreams.set(name, value)
  }
  return upstreams
}

const mistake =
  (env: Readonly<Record<string, string | undefined>>) =>
  ({ path: [name], message }: z.core.$ZodIssue): string => {
    const value = env[String(name)] ?? ''
    // The log is no place for the password of a URL.
    const shown = value.includes('@') ? '' : ` (is ${JSON.stringify(value.slice(0, 80))})`
    return `  ${String(name)}: ${message}${shown}`
  }

/** What Kubernetes puts into every container of a namespace that has a Service named `acc` or `acc-…`. */
const SERVICE_LINK =
  /^ACC(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)?)$/

function unknownVariables(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const known = Object.keys(environment.shape)
  return Object.keys(env)
    .filter((name) => !known.includes(name) && !SERVICE_LINK.test(name))
    .map((name) => {
      const meant = nearest(name, known)
      return `  ${name}: there is no such variable${meant ? `: did you mean ${meant}?` : ''}`
    })
}
