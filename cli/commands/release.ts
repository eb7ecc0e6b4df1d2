import { existsSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { agentNameSchema } from '@agentcostcontrol/contract'
import { type Command, readWords, UsageError } from '../support/command.ts'

const NEEDED = 'say which agent: acc release AGENT --reason TEXT; "(none)" is that of requests that name none'

/** `acc release`: ends a quarantine at a sidecar that stands alone. */
export const release: Command = {
  name: 'release',
  summary: 'lets an agent out of quarantine at the sidecar of this machine; with a control plane its API does that',
  help: `  AGENT          its name; "(none)" for requests that name no agent
  --reason TEXT  why; for the log of the sidecar
  --data DIR     the folder of "acc up" (.acc)

The sidecar follows within a second, or when it is started the next time.`,
  run: async (words) => {
    const { values, positionals } = readWords(words, { options: ['reason', 'data'], positionals: ['AGENT'] })
    const [agent] = positionals
    if (agent === undefined || !agentNameSchema.safeParse(agent).success) throw new UsageError(NEEDED)
    const reason = (values.reason ?? '').replaceAll(/\s+/g, ' ').trim()
    if (reason === '') throw new UsageError('--reason TEXT: say why, for whoever looks for it later')
    const dataDir = join(values.data ?? '.acc', 'sidecar')
    if (!existsSync(dataDir)) throw new Error(`no sidecar has run in ${values.data ?? '.acc'} yet`)
    await appendFile(join(dataDir, 'release-agents'), `${agent}\t${reason}\n`)
    process.stdout.write(`The sidecar of ${dataDir} is told to release "${agent}" from its own quarantine.\n`)
    return 0
  },
}
