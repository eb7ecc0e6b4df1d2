import t from 'tap'
import { exfiltrationDetector as detector } from '../index.ts'
import { readableFiles } from './support/files.ts'

t.test('badges, links and addresses of dependencies block nothing, and hardly alert, whoever shows them', async (t) => {
  const files = [...readableFiles(4_000)]
  t.ok(files.length > 500, 'there was something to look at')
  for (const source of detector.sources) {
    let alerted = 0
    for (const { file, text } of files) {
      const shown = source === 'tool_call' ? JSON.stringify({ path: file, content: text }) : text
      const findings = detector.detect(shown, { source, tool: 'write_file' })
      if (findings.length > 0) alerted++
      for (const { severity, ruleId, start } of findings)
        if (severity === 'high' || severity === 'critical') t.fail(`${source}: ${ruleId} in ${file} at ${start}`)
    }
    t.ok(alerted <= files.length / 500, `${source}: ${alerted} of ${files.length} files`)
  }
})
