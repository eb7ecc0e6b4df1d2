import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, readWords, UsageError } from '../support/command.ts'
import { planeTool } from '../support/plane-tool.ts'

/** What the control plane says of a backup. */
interface Contents {
  readonly madeAt: string
  readonly schema: string
  readonly tables: readonly { readonly table: string; readonly rows: number; readonly bytes: number }[]
}

/** What it says of an installation that is gone. */
interface Replaced {
  readonly organisations: number
  readonly requests: number
  readonly lastRequestAt: string | null
  readonly keys: number
}

const DATA = `  --data DIR   the folder of "acc up" (.acc); with DATABASE_URL in the environment that database instead
  --json       what is in it, table by table`

const folderOf = (data: string | undefined): string => join(data ?? '.acc', 'control-plane')

/** `acc backup`: everything of the control plane in one file. */
export const backup: Command = {
  name: 'backup',
  summary: 'writes everything that the control plane holds into one file, also while it runs',
  help: `  acc backup FILE [--data DIR] [--json]

${DATA}

It is made beside FILE and takes its name when it is whole; only you can read it. It holds no key in clear and no text of a
prompt, but the names of agents and what they spent. docs/operations.md says what is to be kept beside it.`,
  run: async (words) => {
    const { values, flags, positionals } = readWords(words, {
      options: ['data'],
      flags: ['json'],
      positionals: ['FILE'],
    })
    const [file] = positionals
    if (file === undefined) throw new UsageError('usage: acc backup FILE [--data DIR] [--json]')
    if (!process.env.DATABASE_URL && !existsSync(folderOf(values.data)))
      throw new Error(`no control plane has run in ${values.data ?? '.acc'} yet: there is nothing to back up`)
    const made = await planeTool('control-plane/backup.ts', [folderOf(values.data), file])
    if (flags.has('json')) process.stdout.write(made)
    else {
      const contents: Contents & { readonly fileBytes: number } = JSON.parse(made)
      process.stdout.write(
        `${file}: ${sentence(contents)}, in ${Math.ceil(contents.fileBytes / 1_024)} KB. It shows ${contents.madeAt}.\n`,
      )
    }
    return 0
  },
}

/** `acc restore`: what `acc backup` wrote, in the place of what is there. */
export const restore: Command = {
  name: 'restore',
  summary: 'puts what "acc backup" wrote into an empty control plane: all of it, or nothing',
  help: `  acc restore FILE [--replace] [--data DIR] [--json]

${DATA}
  --replace    also where there is an installation, which is gone then

No control plane may run on it. A file that was cut or changed is refused with the place, and so is one of a newer control
plane; nothing is changed then. One of an older control plane is brought to this one's schema.`,
  run: async (words) => {
    const { values, flags, positionals } = readWords(words, {
      options: ['data'],
      flags: ['json', 'replace'],
      positionals: ['FILE'],
    })
    const [file] = positionals
    if (file === undefined) throw new UsageError('usage: acc restore FILE [--replace] [--data DIR] [--json]')
    const more = flags.has('replace') ? ['--replace'] : []
    const restored = await planeTool('control-plane/restore.ts', [folderOf(values.data), file, ...more])
    if (flags.has('json')) process.stdout.write(restored)
    else {
      const contents: Contents & { readonly replaced: Replaced | null } = JSON.parse(restored)
      const { replaced } = contents
      process.stdout.write(`Restored ${sentence(contents)}, as of ${contents.madeAt}.\n`)
      if (replaced !== null) process.stdout.write(`Gone: ${gone(replaced)}.\n`)
    }
    return 0
  },
}

const sentence = ({ tables, schema }: Contents): string =>
  `${tables.reduce((sum, { rows }) => sum + rows, 0)} rows of ${tables.length} tables (schema ${schema})`

const gone = ({ organisations, keys, requests, lastRequestAt }: Replaced): string =>
  `${organisations} ${organisations === 1 ? 'organisation' : 'organisations'}, ${keys} keys, ${requests} requests${lastRequestAt === null ? '' : `, the last of ${lastRequestAt}`}`
