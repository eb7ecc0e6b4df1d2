import { POLICY_KEYS_MAX } from '@agentcostcontrol/contract'
import * as z from 'zod'

/** Everything that a control plane can be told from outside. docs/configuration.md is its reference. */
export interface ControlPlaneConfig {
  readonly listen: ListenAddress
  readonly adminListen: ListenAddress
  /** `null` for the embedded PostgreSQL. */
  readonly databaseUrl: string | null
  /** `null` for none. */
  readonly redisUrl: string | null
  readonly dataDir: string
  /** 0 for any free one. */
  readonly postgresPort: number
  readonly connectionsMax: number
  /** A price list in place of the one that is shipped; `null` for that one. */
  readonly rateCardFile: string | null
  /** Folder of policy YAML, watched. */
  readonly policyDir: string
  /** Holds the private key that bundles of policy are signed with; `null` for one in the data folder. */
  readonly signingKeyFile: string | null
  /** Keys that they were signed with before, which sidecars are still given. */
  readonly formerKeyFiles: readonly string[]
  /** Where an admin key is written at each start; `null` for nowhere. */
  readonly adminKeyFile: string | null
  /** Where a token that enrols sidecars is written at each start; `null` for nowhere. */
  readonly enrolmentTokenFile: string | null
  /** An agent that was not heard of for so long is shown as silent. */
  readonly agentSilentAfterMs: number
  /** Agents, tasks and figures of sidecars that were not heard of for so long are deleted. */
  readonly agentDays: number
  /** `host` or `host:port` of lists of threat intelligence that may be at any address, also a private one. */
  readonly threatIntelAllowHosts: readonly string[]
  readonly drainTimeoutMs: number
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly parentWatch: boolean
}

/** Where a listener binds. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

const address = z
  .string()
  .regex(/^(?:\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, 'expected host:port, like 127.0.0.1:8080')
  .transform((text) => {
    const colon = text.lastIndexOf(':')
    return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) }
  })
  .refine(({ port }) => port <= 65_535, 'a port is at most 65535')

/** A name, an address, or an IPv6 address in brackets; with a port or without. */
const HOST = /^(?:\[[0-9a-f:.]+\]|[^\s:/[\]]+)(?::\d{1,5})?$/

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'expected a whole number')
    .transform(Number)
    .refine((value) => value >= min && value <= max, `expected ${min} to ${max}`)

const environment = z.object({
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, error: 'expected postgres://user:password@host:port/database' })
    .optional(),
  REDIS_URL: z.url({ protocol: /^rediss?$/, error: 'expected redis://user:password@host:port/number' }).optional(),
  CONTROL_PLANE_LISTEN: address.prefault('127.0.0.1:8080'),
  CONTROL_PLANE_ADMIN_LISTEN: address.prefault('127.0.0.1:8081'),
  CONTROL_PLANE_DATA_DIR: z.string().min(1).default('.acc/control-plane'),
  CONTROL_PLANE_POSTGRES_PORT: integer(0, 65_535).prefault('0'),
  CONTROL_PLANE_CONNECTIONS_MAX: integer(2, 1_000).prefault('10'),
  CONTROL_PLANE_POLICY_DIR: z.string().min(1).default('policies/starter'),
  CONTROL_PLANE_SIGNING_KEY_FILE: z.string().min(1).optional(),
  CONTROL_PLANE_FORMER_KEY_FILES: z
    .string()
    .transform((text) => text.split(',').map((file) => file.trim()))
    .refine((files) => files.every((file) => file !== ''), 'expected paths of files, separated by commas')
    .refine((files) => files.length < POLICY_KEYS_MAX, `expected at most ${POLICY_KEYS_MAX - 1} files`)
    .optional(),
  CONTROL_PLANE_ADMIN_KEY_FILE: z.string().min(1).optional(),
  CONTROL_PLANE_ENROLMENT_TOKEN_FILE: z.string().min(1).optional(),
  CONTROL_PLANE_RATE_CARD: z.string().min(1).optional(),
  CONTROL_PLANE_AGENT_SILENT_AFTER_MS: integer(1_000, 86_400_000).prefault('60000'),
  CONTROL_PLANE_AGENT_DAYS: integer(1, 3_650).prefault('30'),
  CONTROL_PLANE_THREAT_INTEL_ALLOW_HOSTS: z
    .string()
    .transform((text) => text.split(',').map((host) => host.trim().toLowerCase()))
    .refine((hosts) => hosts.every((host) => HOST.test(host)), 'expected host or host:port, separated by commas')
    .optional(),
  CONTROL_PLANE_DRAIN_TIMEOUT_MS: integer(0, 3_600_000).prefault('10000'),
  CONTROL_PLANE_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  CONTROL_PLANE_PARENT_WATCH: z.enum(['0', '1']).default('0'),
})

/** Every variable with its default as text, `null` where there is none; docs/configuration.md is held to it. */
export const CONTROL_PLANE_VARIABLES: readonly { readonly name: string; readonly fallback: string | null }[] =
  Object.entries(environment.shape).map(([name, schema]) => ({
    name,
    fallback:
      schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault ? String(schema.def.defaultValue ?? '') : null,
  }))

/** Reads the environment. @throws naming every mistake at once */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): ControlPlaneConfig {
  const ours = Object.fromEntries(
    Object.entries(env).filter(
      ([name, value]) =>
        (name.startsWith('CONTROL_PLANE_') || name === 'DATABASE_URL' || name === 'REDIS_URL') && value !== '',
    ),
  )
  const parsed = environment.safeParse(ours)
  const mistakes = [
    ...Object.keys(ours)
      .filter((name) => !(name in environment.shape))
      .map((name) => `  ${name}: there is no such variable`),
    // Without the value: those of DATABASE_URL and REDIS_URL hold a password.
    ...(parsed.error?.issues ?? []).map(({ path: [name], message }) => `  ${String(name)}: ${message}`),
  ]
  if (!parsed.success || mistakes.length > 0)
    throw new Error(
      `the configuration is not valid (docs/configuration.md tells of every variable):\n${mistakes.join('\n')}`,
    )
  const values = parsed.data
  return {
    listen: values.CONTROL_PLANE_LISTEN,
    adminListen: values.CONTROL_PLANE_ADMIN_LISTEN,
    databaseUrl: values.DATABASE_URL ?? null,
    redisUrl: values.REDIS_URL ?? null,
    dataDir: values.CONTROL_PLANE_DATA_DIR,
    postgresPort: values.CONTROL_PLANE_POSTGRES_PORT,
    connectionsMax: values.CONTROL_PLANE_CONNECTIONS_MAX,
    policyDir: values.CONTROL_PLANE_POLICY_DIR,
    signingKeyFile: values.CONTROL_PLANE_SIGNING_KEY_FILE ?? null,
    formerKeyFiles: values.CONTROL_PLANE_FORMER_KEY_FILES ?? [],
    adminKeyFile: values.CONTROL_PLANE_ADMIN_KEY_FILE ?? null,
    enrolmentTokenFile: values.CONTROL_PLANE_ENROLMENT_TOKEN_FILE ?? null,
    rateCardFile: values.CONTROL_PLANE_RATE_CARD ?? null,
    agentSilentAfterMs: values.CONTROL_PLANE_AGENT_SILENT_AFTER_MS,
    agentDays: values.CONTROL_PLANE_AGENT_DAYS,
    threatIntelAllowHosts: values.CONTROL_PLANE_THREAT_INTEL_ALLOW_HOSTS ?? [],
    drainTimeoutMs: values.CONTROL_PLANE_DRAIN_TIMEOUT_MS,
    logLevel: values.CONTROL_PLANE_LOG_LEVEL,
    parentWatch: values.CONTROL_PLANE_PARENT_WATCH === '1',
  }
}
