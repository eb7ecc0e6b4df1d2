import { readFileSync } from 'node:fs'
import { PROVIDER_NAMES } from '@agentcostcontrol/contract'
import t from 'tap'
import { inCheckout } from '../../test/support/paths.ts'
import { folderFor } from '../../test/support/scope.ts'
import { sidecarFor, writePolicies } from '../../test/support/sidecar.ts'
import { CONFIG_VARIABLES, parseConfig, type SidecarConfig } from '../config.ts'

/** What is said of an environment that is refused. */
function complaint(env: Readonly<Record<string, string>>): string {
  try {
    parseConfig(env)
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
  return ''
}

t.test('without any variable the defaults hold', async (t) => {
  const config = parseConfig({ PATH: '/bin', HOME: '/' })
  t.same(config.listen, { host: '127.0.0.1', port: 4000 })
  t.same(config.adminListen, { host: '127.0.0.1', port: 4001 })
  t.same(config.identity, { agent: null, workflow: null, session: null, tags: {} })
  t.same([...config.trustHeaders], ['session', 'task'])
  t.equal(config.rateCardFile, null)
  t.equal(config.parentWatch, false)
})

/** For each variable a value that is taken, what becomes of it, and values that are refused. */
const CASES: Readonly<
  Record<string, { good: string; read: (config: SidecarConfig) => unknown; becomes: unknown; bad: readonly string[] }>
> = {
  ACC_LISTEN: {
    good: '[::1]:0',
    read: ({ listen }) => listen,
    becomes: { host: '::1', port: 0 },
    bad: ['4000', 'localhost', '127.0.0.1:70000', 'http://x:1'],
  },
  ACC_ADMIN_LISTEN: {
    good: '0.0.0.0:9',
    read: ({ adminListen }) => adminListen,
    becomes: { host: '0.0.0.0', port: 9 },
    bad: [':4001'],
  },
  ACC_DATA_DIR: { good: '/data', read: ({ dataDir }) => dataDir, becomes: '/data', bad: [] },
  ACC_POLICY_DIR: {
    good: '/policies',
    read: ({ policies }) => policies,
    becomes: { kind: 'folder', folder: '/policies' },
    bad: [],
  },
  ...Object.fromEntries(
    [
      { name: 'ACC_POLICY_KEY_FILE', good: '/keys.pem', bad: [] },
      { name: 'ACC_ON_STALE', good: 'failOpen', bad: ['fail', 'closed'] },
      { name: 'ACC_STALE_AFTER_MS', good: '1000', bad: ['999', '1d'] },
    ].map(({ name, good, bad }) => [
      name,
      { good, read: ({ policies }: SidecarConfig) => policies.kind, becomes: 'folder', bad },
    ]),
  ),
  ACC_RATE_CARD: { good: '/card.json', read: ({ rateCardFile }) => rateCardFile, becomes: '/card.json', bad: [] },
  ...Object.fromEntries(
    PROVIDER_NAMES.map((name) => [
      `ACC_UPSTREAM_${name.toUpperCase()}`,
      {
        good: 'http://localhost:1/v1',
        read: ({ upstreams }: SidecarConfig) => upstreams.get(name),
        becomes: 'http://localhost:1/v1',
        bad: ['api.openai.com', 'ftp://x', 'https://user:word@x/v1', 'https://x/v1?key=1', 'https://x/#a'],
      },
    ]),
  ),
  ACC_AGENT: { good: 'a', read: ({ identity }) => identity.agent, becomes: 'a', bad: ['a\n', 'a'.repeat(254)] },
  ACC_WORKFLOW: { good: 'ö', read: ({ identity }) => identity.workflow, becomes: 'ö', bad: ['\u0000'] },
  ACC_SESSION: { good: 's', read: ({ identity }) => identity.session, becomes: 's', bad: ['\u007f'] },
  ACC_TAGS: {
    good: 'team=search, tier=gold=1,empty=',
    read: ({ identity }) => identity.tags,
    becomes: { team: 'search', tier: 'gold=1', empty: '' },
    bad: ['team', '=x', Array.from({ length: 33 }, (_, at) => `k${at}=v`).join()],
  },
  ACC_TRUST_HEADERS: {
    good: ' agent , tags ',
    read: ({ trustHeaders }) => [...trustHeaders],
    becomes: ['agent', 'tags'],
    bad: ['agents', 'agent;tags'],
  },
  ACC_BODY_BYTES_MAX: {
    good: '1024',
    read: ({ bodyBytesMax }) => bodyBytesMax,
    becomes: 1024,
    bad: ['1023', '64MB', '-1', '1e9', '1.5', '1073741825'],
  },
  ACC_BUFFERED_BYTES_MAX: {
    good: '1048576',
    read: ({ bufferedBytesMax }) => bufferedBytesMax,
    becomes: 1_048_576,
    bad: ['0'],
  },
  ACC_HEADER_BYTES_MAX: { good: '2048', read: ({ headerBytesMax }) => headerBytesMax, becomes: 2048, bad: ['5'] },
  ACC_CONCURRENCY_MAX: { good: '1', read: ({ concurrencyMax }) => concurrencyMax, becomes: 1, bad: ['0'] },
  ACC_CONNECTIONS_MAX: { good: '7', read: ({ connectionsMax }) => connectionsMax, becomes: 7, bad: ['0', 'many'] },
  ACC_REQUEST_TIMEOUT_MS: {
    good: '100',
    read: ({ requestTimeoutMs }) => requestTimeoutMs,
    becomes: 100,
    bad: ['99', '60s'],
  },
  ACC_CLIENT_STALL_TIMEOUT_MS: {
    good: '100',
    read: ({ clientStallTimeoutMs }) => clientStallTimeoutMs,
    becomes: 100,
    bad: ['0', '3600001'],
  },
  ACC_DRAIN_TIMEOUT_MS: { good: '0', read: ({ drainTimeoutMs }) => drainTimeoutMs, becomes: 0, bad: ['3600001'] },
  ACC_EVENTS_MAX: { good: '1000', read: ({ eventsMax }) => eventsMax, becomes: 1000, bad: ['999'] },
  ACC_CONTROL_PLANE_URL: {
    good: 'http://plane:8080',
    read: ({ controlPlane }) => controlPlane,
    becomes: { url: 'http://plane:8080', tokenFile: '/var/run/secrets/agentcostcontrol/token' },
    bad: ['plane:8080', 'http://user:word@plane'],
  },
  ACC_CONTROL_PLANE_TOKEN_FILE: {
    good: '/token',
    read: ({ controlPlane }) => controlPlane,
    becomes: null,
    bad: [],
  },
  ACC_SCAN_THREADS_MAX: { good: '64', read: ({ scanThreadsMax }) => scanThreadsMax, becomes: 64, bad: ['65'] },
  ACC_SCAN_QUEUE_MAX: { good: '1', read: ({ scanQueueMax }) => scanQueueMax, becomes: 1, bad: ['0'] },
  ACC_VERDICT_CACHE_MAX: { good: '100', read: ({ verdictCacheMax }) => verdictCacheMax, becomes: 100, bad: ['99'] },
  ACC_THREAT_INTEL_DIR: { good: '/lists', read: ({ threatIntelDir }) => threatIntelDir, becomes: '/lists', bad: [] },
  ACC_LOG_LEVEL: { good: 'warn', read: ({ logLevel }) => logLevel, becomes: 'warn', bad: ['trace', 'WARN'] },
  ACC_PARENT_WATCH: { good: '1', read: ({ parentWatch }) => parentWatch, becomes: true, bad: ['true'] },
}

t.test(
  'each variable is read, and a value that makes no sense is refused by name, with what is expected',
  async (t) => {
    const known = CONFIG_VARIABLES.map(({ name }) => name).filter((name) => name !== 'ACC_PODINFO_DIR')
    t.same(Object.keys(CASES), known, 'every variable has its case')
    for (const [name, { good, read, becomes, bad }] of Object.entries(CASES)) {
      t.same(read(parseConfig({ [name]: good })), becomes, `${name}=${good}`)
      for (const value of bad) {
        const told = complaint({ [name]: value })
        t.match(told, new RegExp(`^  ${name}: .{10}`, 'm'), `${name}=${value.slice(0, 40)}`)
        t.notMatch(told, /user:word/, 'a password is not repeated')
      }
    }
  },
)

t.test('all mistakes are listed at once, and a misspelt variable is told what it was meant to be', async (t) => {
  const told = complaint({ ACC_LISTEN: 'x', ACC_LOG_LEVEL: 'loud', ACC_AGNET: 'a', ACC_SURPRISE: '1', OTHER: '!' })
  t.match(told, /^ {2}ACC_LISTEN: expected host:port.*\(is "x"\)$/m)
  t.match(told, /^ {2}ACC_LOG_LEVEL: .*"debug"\|"info"\|"warn"\|"error".*$/m)
  t.match(told, /^ {2}ACC_AGNET: there is no such variable: did you mean ACC_AGENT\?$/m)
  t.match(told, /^ {2}ACC_SURPRISE: there is no such variable$/m)
  t.equal(told.split('\n').length, 5)
  t.match(told, /docs\/configuration\.md/)
})

t.test('with a control plane policies come from there alone, and a folder beside it is refused', async (t) => {
  const url = { ACC_CONTROL_PLANE_URL: 'http://plane:8080' }
  t.same(parseConfig(url).policies, {
    kind: 'controlPlane',
    keyFile: null,
    onStale: 'keep',
    staleAfterMs: 24 * 60 * 60 * 1_000,
  })
  const told = { ACC_POLICY_KEY_FILE: '/keys.pem', ACC_ON_STALE: 'failClosed', ACC_STALE_AFTER_MS: '60000' }
  t.match(parseConfig({ ...url, ...told }).policies, {
    keyFile: '/keys.pem',
    onStale: 'failClosed',
    staleAfterMs: 60_000,
  })
  t.match(complaint({ ...url, ACC_POLICY_DIR: '/policies' }), /^ {2}ACC_POLICY_DIR: .*leave one of the two out/m)
})

t.test('connections are 1 024 more than requests at once, unless they are told', async (t) => {
  t.equal(parseConfig({ ACC_CONCURRENCY_MAX: '3000' }).connectionsMax, 4_024)
  t.equal(parseConfig({ ACC_CONCURRENCY_MAX: '3000', ACC_CONNECTIONS_MAX: '8' }).connectionsMax, 8)
})

t.test('an empty value is none, and what Kubernetes makes for a Service named acc is passed over', async (t) => {
  const config = parseConfig({
    ACC_AGENT: '',
    ACC_LISTEN: '',
    ACC_TAGS: '',
    ACC_TRUST_HEADERS: '',
    ACC_PORT: 'tcp://10.0.0.1:4000',
    ACC_PORT_4000_TCP: 'tcp://10.0.0.1:4000',
    ACC_PORT_4000_TCP_ADDR: '10.0.0.1',
    ACC_SERVICE_HOST: '10.0.0.1',
    ACC_SERVICE_PORT_HTTP: '4000',
    ACC_CONTROL_PLANE_SERVICE_HOST: '10.0.0.2',
    ACC_CONTROL_PLANE_PORT_8080_TCP_PROTO: 'tcp',
  })
  t.equal(config.identity.agent, null)
  t.equal(config.listen.port, 4000)
  t.equal(config.trustHeaders.size, 0, 'an empty list trusts no header')
})

t.test('the files of the downward API name who speaks: environment, then annotations, then labels', async (t) => {
  const folder = folderFor(t)
  writePolicies(folder, {
    labels: 'app="x"\nagentcostcontrol.io/agent="from-label"\nagentcostcontrol.io/workflow="from-label"\n',
    annotations:
      'note="several\\nlines"\nagentcostcontrol.io/workflow="say \\"hi\\""\nagentcostcontrol.io/session="pod-s"\n',
  })
  const { identity } = parseConfig({ ACC_PODINFO_DIR: folder, ACC_SESSION: 'env' })
  t.same(identity, { agent: 'from-label', workflow: 'say "hi"', session: 'env', tags: {} })
})

t.test('an identity that cannot be read ends the start instead of being lost', async (t) => {
  const folder = folderFor(t)
  t.match(complaint({ ACC_PODINFO_DIR: folder }), /neither labels nor annotations: mount a downwardAPI volume/)
  writePolicies(folder, { annotations: 'agentcostcontrol.io/agent="a\\x00"\n' })
  t.match(complaint({ ACC_PODINFO_DIR: folder }), /annotations: agentcostcontrol\.io\/agent is expected/)
  writePolicies(folder, { annotations: `agentcostcontrol.io/agent="${'a'.repeat(254)}"\n` })
  t.match(complaint({ ACC_PODINFO_DIR: folder }), /1 to 253 characters/)
  t.match(complaint({ ACC_PODINFO_DIR: `${folder}/annotations` }), /ACC_PODINFO_DIR: .* cannot be read: ENOTDIR/)
})

t.test('docs/configuration.md names every variable with its default, and none besides', async (t) => {
  const rows = [
    ...readFileSync(inCheckout('docs/configuration.md'), 'utf8').matchAll(/^\| `(ACC_\w+)` \|(.*?)\|(.*)\|$/gm),
  ]
  const documented = Object.fromEntries(rows.map(([, name, fallback, meaning]) => [name, { fallback, meaning }]))
  t.same(Object.keys(documented).sort(), CONFIG_VARIABLES.map(({ name }) => name).sort())
  for (const { name, fallback } of CONFIG_VARIABLES) {
    t.equal(documented[name]?.fallback?.trim(), fallback ? `\`${fallback}\`` : '', `default of ${name}`)
    t.match(documented[name]?.meaning, /\w{3}.{10}/, `meaning of ${name}`)
  }
})

t.test('a sidecar that is told nonsense says so and ends', async (t) => {
  await t.rejects(
    sidecarFor(t, { upstream: 'nowhere', env: { ACC_CONCURRENCY_MAX: 'many', ACC_UNKNOWN: '1' } }),
    /ended with 1: the sidecar cannot start: the configuration is not valid.*\n.*ACC_UNKNOWN.*\n.*ACC_UPSTREAM_OPENAI.*\n.*ACC_CONCURRENCY_MAX/,
  )
})
