import { credentialOf, isCredentialFolder, METADATA_HOST } from '../../paths.ts'
import type { CommandRuleId } from '../../rules.ts'
import { hasOption, type Invocation, operands } from '../unwrap.ts'
import type { RulesByProgram } from './common.ts'

const READERS = new Set(
  'cat less more head tail strings base64 gbase64 base32 xxd od hexdump nl tac bat batcat sed awk gawk cut paste sort tee rev fold view vim vi nano emacs code open cp mv zip gzip bzip2 xz tar 7z dd ln type get-content gc gpg openssl jq yq diff column grep egrep fgrep rg ag'.split(
    ' ',
  ),
)
/** Looking for one name in it, or making it from its example, is everybody's day. */
const QUIET_FOR_DOTENV = new Set([
  'cp',
  'mv',
  'ln',
  'grep',
  'egrep',
  'fgrep',
  'rg',
  'ag',
  'tee',
  'vim',
  'vi',
  'nano',
  'code',
  'emacs',
  'open',
  'sed',
  'diff',
  'awk',
  'gawk',
  'cut',
  'sort',
  'tar',
])
/** Where the last operand is written and not read. */
const WRITES_LAST = new Set(['cp', 'mv', 'ln'])

/** Programs that read what should stay where it is. */
export function readsCredentials({ name, args, command, argsFromInput }: Invocation): CommandRuleId | null {
  const input = command.redirects.filter(({ kind }) => kind === 'in').map(({ target }) => target.text)
  const isReader = READERS.has(name)
  if (!isReader && input.length === 0) return null
  const named = operands(args).map((arg) => (name === 'dd' ? arg.replace(/^if=/, '') : arg))
  const read = [...(isReader ? (WRITES_LAST.has(name) && named.length > 1 ? named.slice(0, -1) : named) : []), ...input]
  for (const path of read) {
    const rule = credentialOf(path)
    if (rule === 'dotenv-read' && (QUIET_FOR_DOTENV.has(name) || argsFromInput)) continue
    if (rule === 'credential-read' && isOwnSetting(name, path)) continue
    if (rule) return rule
    if (/^(?:tar|zip|cp|7z|base64)$/.test(name) && isCredentialFolder(path)) return 'credential-read'
  }
  return null
}

/** The settings that stand beside the credentials. */
const isOwnSetting = (name: string, path: string): boolean =>
  /\.aws\/config$|azureProfile\.json$/.test(path) || (/\.kube\/config$/.test(path) && (name === 'cp' || name === 'mv'))

/** Programs that give credentials away. */
export const access: RulesByProgram = {
  security: ({ args }) =>
    /^(?:find-(?:generic|internet)-password|dump-keychain|export)$/.test(args[0] ?? '') &&
    (args[0] === 'dump-keychain' || hasOption(args, 'wg'))
      ? 'keychain-read'
      : null,
  'secret-tool': ({ args }) => (args[0] === 'lookup' || args[0] === 'search' ? 'keychain-read' : null),
  unshadow: () => 'password-file-read',
  getent: ({ args }) => (args[0] === 'shadow' ? 'password-file-read' : null),
  cmdkey: ({ args }) => (/^\/list$/i.test(args[0] ?? '') ? 'keychain-read' : null),
  vaultcmd: () => 'keychain-read',
  mimikatz: () => 'password-file-read',
  reg: ({ args }) =>
    /^save$/i.test(args[0] ?? '') && /^hklm\\(?:sam|system|security)$/i.test(args[1] ?? '')
      ? 'password-file-read'
      : null,
  find: ({ args }) =>
    args.some((arg) => /^(?:id_rsa|id_ed25519|\*?\.pem|credentials|id_\*|wallet\.dat)$/.test(arg)) &&
    /^(?:\/|~|\$HOME|\/home|\/Users|\/root)\/?$/.test(args[0] ?? '')
      ? 'credential-read'
      : null,
  kubectl: ({ args }) =>
    args[0] === 'get' &&
    /^secrets?(?:\/|$)/.test(operands(args)[1] ?? '') &&
    args.some((arg) => /^(?:-o.*|--output=.*|yaml|json|jsonpath.*|go-template.*)$/.test(arg))
      ? 'credential-read'
      : null,
  gpg: ({ args }) => (args.some((arg) => arg.startsWith('--export-secret')) ? 'credential-read' : null),
}

/** Requests of other programs to a cloud's metadata. */
export const asksMetadata = ({ args }: Invocation): CommandRuleId | null =>
  args.some((arg) => arg.length < 2_048 && METADATA_HOST.test(arg) && /^(?:https?:\/\/|169\.)/.test(arg))
    ? 'cloud-metadata'
    : null
