import { type Edit, edit, type Fault } from './fault.ts'

const FORMAT = 'control-plane/backup/format.ts'
const SERVICE = 'control-plane/backup/service.ts'
const REPOSITORY = 'control-plane/backup/repository.ts'

const fault =
  (area: string, test: string) =>
  (name: string, only: string, edits: readonly Edit[]): Fault => ({
    name: `${area}: ${name}`,
    edits,
    test,
    only: [only],
  })

const backup = fault('backup', 'control-plane/test/backup.test.ts')
const prices = fault('prices', 'control-plane/test/prices.test.ts')
const recompute = fault('prices', 'policy/test/recompute.test.ts')
const explain = fault('prices', 'policy/test/explain-price.test.ts')
const trail = fault('trail', 'control-plane/test/trail.test.ts')

/** Backups that are not whole, and prices that are not those of their time. */
export const OPERATIONS: readonly Fault[] = [
  backup(
    'a bound owner copies what it sees, which is nothing',
    'what is restored is what was there',
    edit(REPOSITORY, 'SELECT NOT (rolsuper OR rolbypassrls) AS bound', 'SELECT false AS bound'),
  ),
  backup(
    'row-level security stays lifted after a restore',
    'what is restored is what was there',
    edit(SERVICE, '  await afterRestore(tx)\n  await restoreRepository.bindSecurity(tx)', '  await afterRestore(tx)'),
  ),
  backup(
    'numbers that the database makes begin anew',
    'what is restored is what was there',
    edit(
      SERVICE,
      'for (const sequence of sequences) await restoreRepository.setSequence(tx, sequence)',
      'void sequences',
    ),
  ),
  backup(
    'rows that migrations made are there twice',
    'what is restored is what was there',
    edit(SERVICE, '  await restoreRepository.empty(tx, header.tables)\n', ''),
  ),
  backup(
    'the ledger is not told of a restore',
    'what is restored is what was there',
    edit('control-plane/backup/after-restore.ts', '  await ledgerRepository.raiseEpoch(tx, null, 0)\n', ''),
  ),
  backup(
    'blocks are not compared with their checksums',
    'a container that is sound',
    edit(FORMAT, 'if (hex(block) !== sum)', "if (hex(block) === '')"),
  ),
  backup(
    'the whole is not compared with its checksum',
    'a container that is sound',
    edit(FORMAT, '.sha256 !== sha256)', ".sha256 === '')"),
  ),
  backup(
    'an installation goes without a word',
    'an installation goes only if that is said',
    edit(SERVICE, 'if (replaced !== null && !replace)', 'if (replaced === null && !replace)'),
  ),
  backup(
    'a restore goes on under a control plane that runs',
    'an installation goes only if that is said',
    edit(SERVICE, 'if (running > 0)', 'if (running < 0)'),
  ),
  backup(
    'a backup of a newer schema is taken',
    'a backup of an older schema',
    edit(
      SERVICE,
      "  // Behind the end: before it nobody knows whether the names are those that were written.\n  refuseForeign(header.migrations, migrations, 'the backup')\n",
      '',
    ),
  ),
  prices(
    'a version with another content is taken',
    'the same version with another content',
    edit('control-plane/pricing/service.ts', 'if (noted !== contentHash)', 'if (noted === "")'),
  ),
  prices(
    'an older card is answered with the one in force',
    'a new version is noted beside the old one',
    edit('control-plane/pricing/service.ts', 'list(wanted ?? version)', 'list(version)'),
  ),
  recompute(
    'the components of a cost are not compared',
    'one nano or one component',
    edit('policy/recompute.ts', 'result.costNanoUsd === costNanoUsd &&', 'result.costNanoUsd === costNanoUsd || '),
  ),
  explain(
    'a price of another time is not told apart from none',
    'a model that has no price at that time',
    edit('policy/explain-price.ts', 'if (spans.length > 0)', 'if (spans.length > 99)'),
  ),
  trail(
    'what was found in the answer is told as found in the request',
    'a trail has a step for what happened',
    edit('control-plane/usage/trail.ts', 'finding.direction === direction', "finding.direction !== ''"),
  ),
]
