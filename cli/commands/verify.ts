import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, readWords } from '../support/command.ts'
import { planeTool } from '../support/plane-tool.ts'

/** What the control plane says of its database. */
interface Verdict {
  readonly ok: boolean
  readonly totals: readonly {
    readonly of: string
    readonly requests: string
    readonly costNanoUsd: string
    readonly inputTokens: string
    readonly outputTokens: string
  }[]
  readonly ledger: {
    readonly counters: number
    readonly chargedByEventsNanoUsd: string
    readonly settledByLeasesNanoUsd: string
    readonly settledByCountersNanoUsd: string
    readonly wrong: number
  }
}

/** `acc verify`: whether what is shown is what was stored. */
export const verify: Command = {
  name: 'verify',
  summary: 'adds up every event of the control plane and compares that with the sums that it shows and with its ledger',
  help: `  --data DIR   the folder of "acc up" (.acc); with DATABASE_URL in the environment that database instead
  --json       amounts in nano-USD

The exit code is 1 if they differ. It may run while the control plane does.`,
  run: async (words) => {
    const { values, flags } = readWords(words, { options: ['data'], flags: ['json'] })
    const dataDir = join(values.data ?? '.acc', 'control-plane')
    if (!process.env.DATABASE_URL && !existsSync(dataDir))
      throw new Error(`no control plane has run in ${values.data ?? '.acc'} yet: "npm start" starts one`)
    const verdict: Verdict = JSON.parse(await planeTool('control-plane/verify.ts', [dataDir]))
    process.stdout.write(flags.has('json') ? `${JSON.stringify(verdict)}\n` : sentences(verdict))
    return verdict.ok ? 0 : 1
  },
}

const sentences = ({ ok, totals, ledger }: Verdict): string =>
  `${totals
    .map(
      ({ of, requests, costNanoUsd, inputTokens, outputTokens }) =>
        `${of.padEnd(8)} ${requests} requests, ${inputTokens} tokens in, ${outputTokens} out, ${costNanoUsd} nano-USD\n`,
    )
    .join(
      '',
    )}ledger   ${ledger.counters} counters: ${ledger.chargedByEventsNanoUsd} nano-USD charged by events, ${ledger.settledByLeasesNanoUsd} settled by leases, ${ledger.settledByCountersNanoUsd} by counters${ledger.wrong === 0 ? '' : `, ${ledger.wrong} wrong`}
${ok ? 'They are equal.' : 'They are NOT EQUAL.'}\n`
