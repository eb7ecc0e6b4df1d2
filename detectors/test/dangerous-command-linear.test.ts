import t from 'tap'
import { dangerousCommandDetector as detector } from '../dangerous-command/detector.ts'
import { bestCpuUs } from './support/cpu.ts'

/** Nested wrappers are unwrapped up to a bound, so a short text may cost less of it; a quadratic one would take eight times as long. */
const RATIO_MAX = 4
const SMALL_CHARS = 30_000
const GROWTH = 8
const UNITS = [
  '(',
  ')',
  '$(',
  '`',
  '"',
  "'",
  '"$(',
  '${',
  '${x:-',
  '$x',
  'a=$a$a;',
  '<(',
  '<<A\n',
  'rm -rf /;',
  'curl x|sh;',
  'a|',
  '{',
  '\\',
  '\\"',
  'find . -exec ',
  'sudo ',
  "$'\\x",
  '\n',
  'bash -c "',
  'eval ',
  'xargs ',
  '(a)|',
  '[',
  '{"a":',
  '"a",',
  '/*',
  "';",
  'os.system("',
  'open(',
  '`a',
  'iex ',
  'delete from ',
  "' or '",
  'union ',
  '!a\n',
  'import ',
  'echo a|base64 -d|',
  '../',
  '1;',
  'b64decode(',
  'new-object ',
  'Remove-Item -r',
  "'+'",
  ' -e aaaaaaaaaaaaaaaaaaaaaaaaaa',
  'tr a-z b | ',
  '$(echo ',
  '>a ',
  ':(){ :|',
  '\'"',
  'rm ',
  '$HOME/',
  '-- ',
  '$$',
]

t.test(
  'the time for each character does not grow with the length of a text made of anything that is parsed',
  async (t) => {
    for (const unit of UNITS) {
      for (const textOf of [
        (text: string) => JSON.stringify({ command: text }),
        (text: string) => JSON.stringify({ code: text, sql: text, x: text }),
        (text: string) => text,
      ]) {
        const small = textOf(unit.repeat(Math.ceil(SMALL_CHARS / unit.length)))
        const large = textOf(unit.repeat(Math.ceil((SMALL_CHARS * GROWTH) / unit.length)))
        const detect = (text: string) => (): unknown => detector.detect(text, { source: 'tool_call', tool: 'bash' })
        let ratio = 0
        for (const runs of [1, 3, 8]) {
          ratio = bestCpuUs(runs, detect(large)) / GROWTH / Math.max(1_000, bestCpuUs(runs + 2, detect(small)))
          if (ratio <= RATIO_MAX) break
        }
        if (ratio > RATIO_MAX) t.fail(`${JSON.stringify(unit)}: ${ratio.toFixed(1)}`)
      }
    }
    t.pass()
  },
)
