import { execFile } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { FREE_PORTS, startAcc } from '../../cli/test/support/acc.ts'
import { parseConfig } from '../../control-plane/config.ts'
import { runningClusterUrl } from '../../control-plane/db/cluster.ts'
import { ask } from '../../control-plane/test/support/database.ts'
import { examples, page } from '../support/documents.ts'
import { inCheckout } from '../support/paths.ts'
import { folderFor } from '../support/scope.ts'

const all = examples(page('docs/operations.md'))
const [replica = '', backup = '', restore = '', token = '', ...more] = all.flatMap(({ language, code }) =>
  language === 'sh' ? code : [],
)
const [sql = ''] = all.flatMap(({ language, code }) => (language === 'sql' ? code : []))

t.test('the environment of a replica is one that a control plane takes', async (t) => {
  const pairs = [...replica.matchAll(/\b([A-Z_]+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value])
  const config = parseConfig(Object.fromEntries(pairs))
  t.match(config, { databaseUrl: /^postgres:/, listen: { host: '0.0.0.0' }, policyDir: '/etc/acc/policies' })
  t.equal(pairs.length, 7)
})

t.test('back-up, restore and rotation work as docs/operations.md has them, while everything runs', async (t) => {
  // A folder that stands for the clone: its own .acc, everything else from the checkout.
  const clone = folderFor(t)
  for (const name of ['policies', 'node_modules']) symlinkSync(inCheckout(name), join(clone, name))
  const up = startAcc(t, ['up', ...FREE_PORTS], { cwd: clone })
  const [, url = ''] = /control plane +(http:[^,\s]+)/.exec(await up.printed(/Ctrl-C stops everything/)) ?? []
  const bash = async (step: string): Promise<string> => {
    const here = step
      .replaceAll('http://127.0.0.1:8080', url)
      .replaceAll('npx acc', `'${process.execPath}' '${inCheckout('cli/bin.js')}'`)
    return (await promisify(execFile)('bash', ['-ec', here], { cwd: clone })).stdout
  }
  t.match(JSON.parse(await bash(token)), { token: /^ak-enrolment-/ })
  t.match(await bash(backup), /^acc-backup\.zst: \d+ rows of \d+ tables/)
  t.match(await bash(restore), /^Restored \d+ rows[\s\S]*They are equal\.\n$/)
  t.same(more, [], 'every command was run')

  const database = runningClusterUrl(join(clone, '.acc/control-plane')) ?? ''
  const kinds = async () =>
    (await ask(database, 'SELECT DISTINCT kind FROM acc.keys ORDER BY 1')).map(({ kind }) => kind)
  t.same(await kinds(), ['admin', 'enrolment', 'sidecar'])
  await ask(database, sql)
  t.same(await kinds(), ['sidecar'])
})
