import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readFolder, viewFolder } from '@agentcostcontrol/policy'
import t from 'tap'
import { folderFor, type Scope } from '../../test/support/scope.ts'
import { AMPLE_BUDGET, budgetYaml, writePolicies } from '../../test/support/sidecar.ts'
import { until } from '../../test/support/until.ts'
import { NO_PROVENANCE, provenanceOf } from '../policies/provenance.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { policiesFor } from './support/policies.ts'

/** A work tree with a commit of one policy below `policies`. */
function workTree(scope: Scope) {
  const root = folderFor(scope)
  const git = (...words: readonly string[]): string =>
    execFileSync('git', ['-C', root, ...words], {
      encoding: 'utf8',
      timeout: 10_000,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH ?? '',
        HOME: root,
        GIT_AUTHOR_NAME: 'Ada',
        GIT_AUTHOR_EMAIL: 'ada@example.org',
        GIT_COMMITTER_NAME: 'Bot',
        GIT_COMMITTER_EMAIL: 'bot@example.org',
        GIT_COMMITTER_DATE: '2026-11-24T12:00:00+02:00',
      },
    }).trim()
  git('init', '-q', '-b', 'main')
  const folder = join(root, 'policies')
  writePolicies(folder, { 'budget.yaml': AMPLE_BUDGET, 'team/more.yml': '# more\n' })
  writeFileSync(join(root, 'README'), 'x')
  const commit = (): string => {
    git('add', '-A')
    git('commit', '-q', '-m', 'a commit')
    return git('rev-parse', 'HEAD')
  }
  return { root, folder, git, commit, first: commit() }
}

async function told(folder: string) {
  const { files } = await readFolder(folder, await viewFolder(folder))
  return provenanceOf(folder, files)
}

t.test('author, commit and time are those of the last commit below the folder', async (t) => {
  const { root, folder, commit, first } = workTree(t)
  const expected = {
    author: 'Ada <ada@example.org>',
    commit: first,
    committedAt: '2026-11-24T12:00:00+02:00',
    uncommitted: false,
  }
  t.same(await told(folder), expected)
  writeFileSync(join(root, 'README'), 'y')
  commit()
  t.same(await told(folder), expected, 'a commit elsewhere is another matter')
  writePolicies(folder, { 'budget.yaml': `# changed\n${AMPLE_BUDGET}` })
  t.same(await told(folder), { ...expected, uncommitted: true })
  const second = commit()
  t.same(await told(folder), { ...expected, commit: second })
  const link = join(folderFor(t), 'link')
  symlinkSync(folder, link)
  t.match(await told(link), { commit: second, uncommitted: false }, 'through a link, as git-sync makes')
})

t.test('whatever makes the files others than the committed ones is told', async (t) => {
  const { folder, git, commit } = workTree(t)
  const uncommitted = async () => (await told(folder))?.uncommitted
  const changes: readonly (readonly [string, () => void])[] = [
    ['a file that git does not know', () => writePolicies(folder, { 'new.yaml': '# new\n' })],
    ['a file that is gone', () => rmSync(join(folder, 'team/more.yml'))],
    [
      'a file that git ignores',
      () => {
        writePolicies(folder, { '.gitignore': 'ignored.yaml\n', 'ignored.yaml': '# ignored\n' })
        commit()
      },
    ],
    [
      'a change that git was told not to look at',
      () => {
        writePolicies(folder, { 'budget.yaml': '# hidden\n' })
        git('update-index', '--assume-unchanged', 'policies/budget.yaml')
      },
    ],
    [
      'a link in place of a file',
      () => {
        writePolicies(folder, { '../elsewhere': AMPLE_BUDGET })
        rmSync(join(folder, 'budget.yaml'))
        symlinkSync('../elsewhere', join(folder, 'budget.yaml'))
        commit()
      },
    ],
  ]
  t.equal(await uncommitted(), false)
  for (const [what, change] of changes) {
    change()
    t.equal(await uncommitted(), true, what)
    for (const name of ['new.yaml', 'ignored.yaml', 'budget.yaml']) rmSync(join(folder, name), { force: true })
    git('update-index', '--no-assume-unchanged', 'policies/budget.yaml')
    git('checkout', '-q', 'HEAD~0')
    git('reset', '-q', '--hard', git('rev-list', '--max-parents=0', 'HEAD'))
    t.equal(await uncommitted(), false, `after ${what}`)
  }
  writePolicies(folder, { 'notes.txt': 'no policy', '.hidden.yaml': 'none either' })
  t.equal(await uncommitted(), false, 'what is no policy does not count')
})

t.test('a plain folder has no author, and neither has one whose git tells nothing', async (t) => {
  const plain = folderFor(t)
  writePolicies(plain, { 'budget.yaml': AMPLE_BUDGET })
  t.same(await told(plain), NO_PROVENANCE)
  const unborn = folderFor(t)
  execFileSync('git', ['init', '-q', unborn])
  writePolicies(unborn, { 'budget.yaml': AMPLE_BUDGET })
  t.same(await told(unborn), { ...NO_PROVENANCE, uncommitted: true })
  const { folder, root } = workTree(t)
  writeFileSync(join(root, '.git/HEAD'), 'ref: refs/heads/\0nonsense')
  t.same(await told(folder), { ...NO_PROVENANCE, uncommitted: true }, 'of a commit that cannot be read')
  t.same(await provenanceOf(join(root, 'nowhere'), []), NO_PROVENANCE)
})

t.test('nothing that a hostile repository names is run, and nothing in it is written', async (t) => {
  const { root, folder, git, first } = workTree(t)
  const proof = join(folderFor(t), 'it-ran')
  const trap = join(root, 'trap')
  writeFileSync(trap, `#!/bin/sh\ntouch ${proof}\nexec cat\n`)
  chmodSync(trap, 0o755)
  mkdirSync(join(root, '.git/hooks'), { recursive: true })
  for (const hook of [
    'post-checkout',
    'pre-commit',
    'post-index-change',
    'fsmonitor-watchman',
    'reference-transaction',
  ])
    symlinkSync(trap, join(root, '.git/hooks', hook))
  const settings = {
    'core.fsmonitor': trap,
    'core.pager': trap,
    'core.sshCommand': trap,
    'core.editor': trap,
    'core.hooksPath': join(root, '.git/hooks'),
    'core.alternateRefsCommand': trap,
    'gpg.program': trap,
    'log.showSignature': 'true',
    'diff.external': trap,
    'filter.trap.clean': trap,
    'filter.trap.smudge': trap,
    'filter.trap.process': trap,
    'diff.trap.textconv': trap,
    'alias.log': `!${trap}`,
    'credential.helper': trap,
    'protocol.ext.allow': 'always',
    'remote.origin.url': `ext::${trap}`,
    'remote.origin.promisor': 'true',
    'extensions.partialClone': 'origin',
  }
  for (const [name, value] of Object.entries(settings)) git('config', name, value)
  writeFileSync(join(root, '.git/info/attributes'), '* filter=trap diff=trap\n')
  const index = readFileSync(join(root, '.git/index'))
  writePolicies(folder, { 'budget.yaml': `# changed\n${AMPLE_BUDGET}` })
  t.match(await told(folder), { commit: first, uncommitted: true })
  t.notOk(existsSync(proof), 'nothing ran')
  t.same(readFileSync(join(root, '.git/index')), index)
  t.notOk(existsSync(join(root, '.git/index.lock')))
  git('config', '--unset', 'filter.trap.process')
  git('status')
  t.ok(existsSync(proof), 'asked without care, git runs it')
  rmSync(proof)
  // What is missing is not fetched either.
  const tree = git('rev-parse', 'HEAD^{tree}')
  rmSync(join(root, '.git/objects', tree.slice(0, 2), tree.slice(2)))
  t.same(await told(folder), { ...NO_PROVENANCE, uncommitted: true })
  t.notOk(existsSync(proof), 'nor then')
})

t.test('a repository of another user, and a name that is no line, are read all the same', async (t) => {
  const { root, folder, git } = workTree(t)
  git('-c', 'user.name=Eve\u0007 \u202eevE', 'commit', '-q', '--allow-empty', '-m', 'x')
  writePolicies(folder, { 'budget.yaml': '# hers\n' })
  git('add', '-A')
  execFileSync('git', ['-C', root, 'commit', '-q', '-m', 'x'], {
    env: {
      PATH: process.env.PATH ?? '',
      GIT_AUTHOR_NAME: `Eve\u0007 \u202e${'e'.repeat(500)}`,
      GIT_AUTHOR_EMAIL: 'e@x',
      GIT_COMMITTER_NAME: 'x',
      GIT_COMMITTER_EMAIL: 'x@x',
    },
  })
  if (process.getuid?.() === 0) execFileSync('chown', ['-R', '12345:12345', root])
  const { author } = (await told(folder)) ?? NO_PROVENANCE
  t.match(author, /^Eve +e{200,}$/)
  t.ok((author?.length ?? 0) <= 300)
})

t.test('a revision carries its commit, also where that follows the change of the files', async (t) => {
  const policies = await policiesFor(t, await databaseFor(t, await (await clusterFor(t))()))
  const { folder, commit, first } = workTree(t)
  let nowMs = Date.now()
  await policies.watch(folder, { clock: { nowMs: () => nowMs } })
  const current = async () => (await policies.service.current(policies.caller)).inForce
  t.match(await current(), { author: 'Ada <ada@example.org>', commit: first, uncommitted: false })
  t.match(await current(), { committedAt: '2026-11-24T10:00:00.000Z' }, 'told in UTC')
  writePolicies(folder, { 'budget.yaml': budgetYaml({ name: 'ample', limit: '2.00' }) })
  const changed = await until('the change is in force', async () => {
    const found = await current()
    return found?.uncommitted ? found : null
  })
  t.equal(changed.commit, first)
  const second = commit()
  nowMs += 6_000
  const committed = await until('the commit is known', async () => {
    const found = await current()
    return found?.commit === second ? found : null
  })
  t.match(committed, { uncommitted: false, generation: changed.generation })
})
