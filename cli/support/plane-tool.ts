import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { inCheckout } from './paths.ts'

const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

/**
 * Runs a small program of one of the planes to its end, as a process: the planes are not imported here.
 * @returns the JSON that it printed
 * @throws with what it said on stderr
 */
export async function planeTool(entry: string, words: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [inCheckout(entry), ...words], {
      maxBuffer: OUTPUT_BYTES_MAX,
    })
    return stdout
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
    throw new Error(said === '' ? String(error) : said)
  }
}
