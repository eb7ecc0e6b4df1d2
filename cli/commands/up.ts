import { statSync } from 'node:fs'
import { type Command, readPort, readWords, UsageError } from '../support/command.ts'
import { InterruptedError, interruptions } from '../support/interrupt.ts'
import { inCheckout } from '../support/paths.ts'
import { policyState } from '../support/policy-state.ts'
import { type System, startSystem } from '../support/system.ts'
import { realProviders } from '../support/upstreams.ts'

const DATA_DIR = '.acc'

/** `acc up`: the whole system on this machine. */
export const up: Command = {
  name: 'up',
  summary: 'starts control plane and sidecar, and a simulated provider unless OPENAI_API_KEY is set; Ctrl-C stops all',
  help: `  --port N             where agents send their requests (4000)
  --admin-port N       /healthz, /readyz, /metrics (4001)
  --control-plane-port N  the control plane's API; its probes and metrics one above (8080)
  --simulator-port N   the simulated provider (4010)
  --stand-alone        no control plane: "acc spend" tells what the sidecar's own record says
  --simulate           the simulated provider, also when OPENAI_API_KEY or an ACC_UPSTREAM_… is set
  --data DIR           what must survive a restart (${DATA_DIR})
  --policies DIR       folder of policy YAML, watched (policies/starter)

Port 0 is any free one. Variables that begin with ACC_ configure the sidecar, those with
CONTROL_PLANE_ and DATABASE_URL the control plane: docs/configuration.md.`,
  run: async (words) => {
    const { values, flags } = readWords(words, {
      options: ['port', 'admin-port', 'control-plane-port', 'simulator-port', 'data', 'policies'],
      flags: ['simulate', 'stand-alone'],
    })
    const { env } = process
    const listen = (option: string, variable: string, otherwise: number): string => {
      const port = readPort(values[option], option)
      return port === null ? (env[variable] ?? `127.0.0.1:${otherwise}`) : `127.0.0.1:${port}`
    }
    const dataDir = values.data ?? DATA_DIR
    const policyDir = values.policies ?? env.ACC_POLICY_DIR ?? inCheckout('policies/starter')
    if (!statSync(policyDir, { throwIfNoEntry: false })?.isDirectory())
      throw new UsageError(`--policies ${policyDir}: there is no such folder`)
    const apiPort = readPort(values['control-plane-port'], 'control-plane-port')
    const probePort = apiPort === null ? 8081 : apiPort === 0 ? 0 : apiPort + 1
    const controlPlane = {
      listen: listen('control-plane-port', 'CONTROL_PLANE_LISTEN', 8080),
      adminListen: env.CONTROL_PLANE_ADMIN_LISTEN ?? `127.0.0.1:${probePort}`,
    }
    const { asked, again } = interruptions()
    let hurried = false
    void again.then(() => {
      hurried = true
      process.stdout.write('\nStopping at once: what still runs is broken off …\n')
    })
    const options = {
      listen: listen('port', 'ACC_LISTEN', 4000),
      adminListen: listen('admin-port', 'ACC_ADMIN_LISTEN', 4001),
      simulatorListen: listen('simulator-port', 'SIM_LISTEN', 4010),
      controlPlane: flags.has('stand-alone') ? null : controlPlane,
      dataDir,
      policyDir,
      simulated: flags.has('simulate') || !wantsReal(env),
      real: flags.has('simulate') ? [] : realProviders(env),
      env,
      interrupted: asked,
      hurried: again,
    }
    try {
      const code = await runUntil(asked, await startSystem(options), options.real, dataDir, policyDir)
      return hurried ? 130 : code
    } catch (error) {
      if (!(error instanceof InterruptedError)) throw error
      process.stdout.write('\nStopped before it was up.\n')
      return 130
    }
  },
}

/** A key, or an address of one's own, says that the real provider is meant; for all of them, lest some answers be real and some not. */
const wantsReal = (env: NodeJS.ProcessEnv): boolean =>
  Object.entries(env).some(([name, value]) => value && (name === 'OPENAI_API_KEY' || name.startsWith('ACC_UPSTREAM_')))

async function runUntil(
  asked: Promise<unknown>,
  system: System,
  realOnes: readonly string[],
  dataDir: string,
  policyDir: string,
): Promise<number> {
  process.stdout.write(greeting(system, realOnes, dataDir, await policyState(system, dataDir, policyDir)))
  const trouble = await Promise.race([asked.then(() => null), system.broken])
  if (trouble === null)
    process.stdout.write('\nStopping: running requests are finished and everything is written down …\n')
  await system.stop()
  if (trouble !== null) {
    process.stderr.write(`acc: ${trouble}\nIts log is ${system.logFile}.\n`)
    return 1
  }
  process.stdout.write('Stopped.\n')
  return 0
}

function greeting(
  { addresses: { sidecar, admin, controlPlane, simulator }, adminKey, logFile }: System,
  realOnes: readonly string[],
  dataDir: string,
  policies: string,
): string {
  const real = simulator === null
  const provider = real
    ? `${process.env.ACC_UPSTREAM_OPENAI ?? 'OpenAI'}, with the key that each request carries`
    : `simulated, ${simulator}${realOnes.length === 0 ? '' : ` (but ${realOnes.join(', ')}, for which you have a key)`}`
  return `
AgentCostControl is up.
  agents send to   ${sidecar}
  admin            ${admin}/readyz  /metrics
  provider         ${provider}
${controlPlane === null ? '' : `  control plane    ${controlPlane}${process.env.DATABASE_URL ? ', on DATABASE_URL' : ''}${adminKey.isNew ? `, whose admin key was made now and stands in ${adminKey.file}` : ''}\n`}  policies         ${policies}
  data, log        ${dataDir}, ${logFile}

Try it:

  curl -s ${sidecar}/openai/v1/chat/completions \\
    -H "Authorization: Bearer ${real ? '$OPENAI_API_KEY' : 'any-key'}" -H "Content-Type: application/json" -H "x-acc-agent: first-agent" \\
    -d '{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"Say hello."}]}'

Point an SDK at it${real ? '' : '; the simulated provider takes any key'}:

${setUpLines(`${sidecar}/openai/v1`, real)}
See what it cost${
    controlPlane === null
      ? ''
      : `, of every sidecar that reports there:

  curl -s ${controlPlane}/api/v1/usage/summary -H "Authorization: Bearer $(cat '${adminKey.file}')"

or of this one`
  }: npx acc spend${dataDir === DATA_DIR ? '' : ` --data ${dataDir}`}
Ctrl-C stops everything.
`
}

/** Set-up of an SDK in three ways, one a line, with the comments in a column. */
function setUpLines(baseUrl: string, real: boolean): string {
  const lines: readonly (readonly [code: string, comment: string])[] = [
    [`export OPENAI_BASE_URL=${baseUrl}${real ? '' : ' OPENAI_API_KEY=any-key'}`, '# any official OpenAI SDK'],
    [`client = OpenAI(base_url="${baseUrl}"${real ? '' : ', api_key="any-key"'})`, '# Python'],
    [`const client = new OpenAI({ baseURL: '${baseUrl}'${real ? '' : ", apiKey: 'any-key'"} })`, '// TypeScript'],
  ]
  const width = Math.max(...lines.map(([code]) => code.length))
  return lines.map(([code, comment]) => `  ${code.padEnd(width)}   ${comment}\n`).join('')
}
