import { type Command, readPort, readWords } from '../support/command.ts'
import { inCheckout } from '../support/paths.ts'
import { type System, startSystem } from '../support/system.ts'

/** `acc up`: the whole system on this machine. */
export const up: Command = {
  name: 'up',
  summary: 'starts the sidecar, and a simulated provider unless OPENAI_API_KEY is set; Ctrl-C stops both',
  help: `  --port N             where agents send their requests (4000)
  --admin-port N       /healthz, /readyz, /metrics (4001)
  --simulator-port N   the simulated provider (4010)
  --data DIR           what must survive a restart (.acc)
  --policies DIR       folder of policy YAML, watched (policies/starter)`,
  run: async (words) => {
    const { values } = readWords(words, ['port', 'admin-port', 'simulator-port', 'data', 'policies'])
    const dataDir = values.data ?? '.acc'
    const policyDir = values.policies ?? inCheckout('policies/starter')
    const system = await startSystem({
      port: readPort(values.port, 4000, 'port'),
      adminPort: readPort(values['admin-port'], 4001, 'admin-port'),
      simulatorPort: readPort(values['simulator-port'], 4010, 'simulator-port'),
      dataDir,
      policyDir,
      realProvider: (process.env.OPENAI_API_KEY ?? '') !== '',
    })
    process.stdout.write(greeting(system, dataDir, policyDir))
    const stopped = new Promise<string>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(''))
    })
    const trouble = await Promise.race([stopped, system.broken])
    process.stdout.write(
      trouble === '' ? '\nStopping: running requests are finished and everything is written down …\n' : '',
    )
    await system.stop()
    if (trouble !== '') {
      process.stderr.write(`acc: ${trouble}\nIts log is ${system.logFile}.\n`)
      return 1
    }
    process.stdout.write('Stopped.\n')
    return 0
  },
}

function greeting(
  { addresses: { sidecar, admin, simulator }, logFile }: System,
  dataDir: string,
  policyDir: string,
): string {
  const key = simulator === null ? '$OPENAI_API_KEY' : 'any-key'
  const provider =
    simulator === null ? 'the real provider, with the key that each request carries' : `simulated, ${simulator}`
  return `
AgentCostControl is up.
  agents send to   ${sidecar}
  admin            ${admin}/readyz  /metrics
  provider         ${provider}
  policies         ${policyDir} (watched: an edit is in force within a second)
  data, log        ${dataDir}, ${logFile}

Try it:

  curl -s ${sidecar}/openai/v1/chat/completions \\
    -H "Authorization: Bearer ${key}" -H "Content-Type: application/json" -H "x-acc-agent: first-agent" \\
    -d '{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"Say hello."}]}'

Point an SDK at it:

  export OPENAI_BASE_URL=${sidecar}/openai/v1                         # any official OpenAI SDK
  client = OpenAI(base_url="${sidecar}/openai/v1")                    # Python
  const client = new OpenAI({ baseURL: '${sidecar}/openai/v1' })      // TypeScript

See what it cost: npx acc spend${dataDir === '.acc' ? '' : ` --data ${dataDir}`}
Ctrl-C stops everything.
`
}
