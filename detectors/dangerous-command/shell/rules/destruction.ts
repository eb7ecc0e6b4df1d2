import { deletionOf, isDisk } from '../../paths.ts'
import type { CommandRuleId } from '../../rules.ts'
import { filters, hasOption, type Invocation, operands } from '../unwrap.ts'
import type { RulesByProgram } from './common.ts'

/** What deletes, wipes or stops more than it should. */
export const destruction: RulesByProgram = {
  rm: deletes,
  rmdir: ({ args }) =>
    args.some((arg) => /^\/s$/i.test(arg)) ? worst(args.filter((arg) => !/^\/[a-z]$/i.test(arg))) : null,
  rd: ({ args }) =>
    args.some((arg) => /^\/s$/i.test(arg)) ? worst(args.filter((arg) => !/^\/[a-z]$/i.test(arg))) : null,
  del: ({ args }) =>
    args.some((arg) => /^\/s$/i.test(arg)) ? worst(args.filter((arg) => !/^\/[a-z]$/i.test(arg))) : null,
  rimraf: ({ args }) => worst(operands(args)),
  trash: ({ args }) => worst(operands(args)),
  srm: deletes,
  shred: ({ args }) => (operands(args).some((arg) => isDisk(arg)) ? 'wipe-disk' : worst(operands(args))),
  find: ({ args }) => (args.includes('-delete') && !filters(args) ? worst([args[0] ?? '']) : null),
  mv: ({ args }) => (operands(args).at(-1) === '/dev/null' ? worst(operands(args).slice(0, -1)) : null),
  rsync: ({ args }) => {
    const target = deletionOf(operands(args).at(-1) ?? '')
    return hasOption(args, '', '--delete') && /^(?:\/dev\/null|\/tmp\/empty)\/?$/.test(operands(args)[0] ?? '')
      ? target
      : null
  },
  dd: ({ args }) => (args.some((arg) => arg.startsWith('of=') && isDisk(arg.slice(3))) ? 'wipe-disk' : null),
  wipefs: ({ args }) => (hasOption(args, 'a', '--all') ? 'wipe-disk' : null),
  blkdiscard: () => 'wipe-disk',
  sgdisk: ({ args }) => (hasOption(args, 'Z', '--zap-all') ? 'wipe-disk' : null),
  parted: ({ args }) => (args.includes('mklabel') || args.includes('rm') ? 'wipe-disk' : null),
  hdparm: ({ args }) => (args.some((arg) => arg.startsWith('--security-erase')) ? 'wipe-disk' : null),
  diskutil: ({ args }) =>
    /^(?:erase(?:disk|volume)|zerodisk|secureerase|partitiondisk)$/i.test(args[0] ?? '') ? 'wipe-disk' : null,
  cryptsetup: ({ args }) => (/^(?:luksformat|erase|lukserase)$/i.test(args[0] ?? '') ? 'wipe-disk' : null),
  format: ({ args }) => (/^[a-z]:$/i.test(args[0] ?? '') ? 'wipe-disk' : null),
  vssadmin: ({ args }) => (/^delete$/i.test(args[0] ?? '') ? 'delete-important' : null),
  wbadmin: ({ args }) => (/^delete$/i.test(args[0] ?? '') ? 'delete-important' : null),
  kill: ({ args }) =>
    args.includes('-1') && args.some((arg) => /^-(?:9|kill|sigkill)$/i.test(arg)) ? 'kill-everything' : null,
  dropdb: () => 'sql-drop',
  mysqladmin: ({ args }) => (args.includes('drop') ? 'sql-drop' : null),
  'redis-cli': ({ args }) => (args.some((arg) => /^flush(?:all|db)$/i.test(arg)) ? 'sql-truncate' : null),
}

/** `mkfs`, `mkfs.ext4`, … */
export const formats = ({ name, args }: Invocation): CommandRuleId | null =>
  /^(?:mkfs(?:\.\w{1,8})?|mke2fs|mkswap)$/.test(name) &&
  operands(args).some((arg) => isDisk(arg) || arg.startsWith('/dev/')) &&
  !operands(args).some((arg) => arg.startsWith('/dev/loop'))
    ? 'wipe-disk'
    : null

function deletes({ args, name }: Invocation): CommandRuleId | null {
  if (args.includes('--no-preserve-root')) return 'delete-root'
  if (name === 'rm' && !hasOption(args, 'rR', '--recursive') && !args.some((arg) => /^\/\*|^~\/\*/.test(arg)))
    return null
  return worst(operands(args))
}

const ORDER: readonly (CommandRuleId | null)[] = ['delete-root', 'delete-important', 'delete-everything-here']

function worst(paths: readonly string[]): CommandRuleId | null {
  const found = paths.map(deletionOf)
  return ORDER.find((rule) => found.includes(rule)) ?? null
}
