import t from 'tap'
import { compilePolicy } from '../index.ts'
import { file, problems } from './support/files.ts'

const rule = (lines: string): string =>
  `apiVersion: agentcostcontrol.io/v1\nkind: CustomRule\nmetadata:\n  name: mine\nspec:\n  severity: high\n${lines}`

t.test("a rule of one's own that can be run is part of the policy", async (t) => {
  const compiled = compilePolicy([file(rule('  pattern: "EMP-\\\\d{4}"\n  condition: segment.source == "user"\n'))])
  t.ok(compiled.ok)
  if (compiled.ok)
    t.same(
      compiled.policy.customRules.map(({ metadata }) => metadata.name),
      ['mine'],
    )
})

t.test(
  'a pattern or a condition that does not compile is a problem with its line, its path and the reason',
  async (t) => {
    t.match(problems(file(rule('  pattern: "(?=x)"\n'))), [/policy.yaml:7 spec.pattern: .*RE2/])
    t.match(problems(file(rule('  literals: ["ab"]\n  condition: segment.text +\n'))), [
      /policy.yaml:8 spec.condition: /,
    ])
    t.match(problems(file(rule('  condition: nobody.knows == 1\n'))), [/policy.yaml:7 spec.condition: .*nobody/])
  },
)
