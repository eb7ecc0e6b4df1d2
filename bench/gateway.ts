/**
 * `npm run bench:gateway`: what the sidecar costs, beside nginx, a bare Node proxy and a peer, on this machine.
 * bench/README.md tells how it measures and what the figures mean.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Children } from './gateway/children.ts'
import { readMachine } from './gateway/machine.ts'
import { describeCommand, parseOptions, USAGE } from './gateway/options.ts'
import { prepare } from './gateway/prepare.ts'
import { renderMarkdown } from './gateway/report-markdown.ts'
import { renderText } from './gateway/report-text.ts'
import { runAll } from './gateway/run.ts'

const benchFolder = import.meta.dirname

async function main(args: readonly string[]): Promise<void> {
  const options = parseOptions(args)
  if (options.help) {
    process.stdout.write(USAGE)
    return
  }
  prepare(benchFolder, options.only)
  const machine = readMachine(benchFolder)
  const children = new Children()
  const temporaryFolder = mkdtempSync(join(tmpdir(), 'acc-bench-'))
  const cleanUp = async (): Promise<void> => {
    await children.stopAll()
    rmSync(temporaryFolder, { recursive: true, force: true })
  }
  const interrupt = (signal: NodeJS.Signals): void => {
    cleanUp().then(() => process.exit(signal === 'SIGINT' ? 130 : 143))
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  const startedAtMs = performance.now()
  const say = (line: string): void => {
    const seconds = Math.round((performance.now() - startedAtMs) / 1000)
    process.stderr.write(`bench: ${String(seconds).padStart(3)} s  ${line}\n`)
  }
  try {
    const measured = await runAll({ children, temporaryFolder, benchFolder, node: process.execPath, options, say })
    process.stdout.write(renderText(machine, measured))
    if (options.jsonFile !== null) {
      writeFileSync(
        options.jsonFile,
        `${JSON.stringify(
          measured.map(({ row }) => row),
          null,
          2,
        )}\n`,
      )
    }
    if (options.markdownFile !== null)
      writeFileSync(options.markdownFile, renderMarkdown(machine, describeCommand(options), measured))
  } finally {
    await cleanUp()
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})
