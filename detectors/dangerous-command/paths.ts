/** Which paths matter: to be deleted, read or written. Paths come as they are written: `~`, `$HOME`, `C:\…`. */
import type { CommandRuleId } from './rules.ts'

/** A path in one notation: `/` for every separator, `~` for every way to say home, no doubled or trailing separators. */
function normalPath(path: string): string {
  const slashed = path.slice(0, 1_024).replaceAll('\\', '/')
  const homed = slashed.replace(
    /^(?:file:\/\/)?(?:\$HOME|\$\{HOME\}|%userprofile%|\$env:userprofile|~[a-z_][a-z0-9_-]{0,31})(?=\/|$)/i,
    '~',
  )
  const single = resolved(homed.replace(/\/{2,}/g, '/'))
  return single.length > 1 && single.endsWith('/') ? single.slice(0, -1) : single
}

/** Without `.` and `..` where something stands before them to go back from. */
function resolved(path: string): string {
  if (!path.includes('/.')) return path
  const kept: string[] = []
  for (const part of path.split('/')) {
    if (part === '.' && kept.length > 0) continue
    const before = kept.at(-1)
    if (part === '..' && before !== undefined && before !== '..' && before !== '.') {
      if (before !== '') kept.pop()
      continue
    }
    kept.push(part)
  }
  return kept.length === 1 && kept[0] === '' ? '/' : kept.join('/')
}

const ROOT =
  /^(?:\/|\/\*+|\/\.\*?|[a-z]:\/?\*?(?:\.\*)?|~|~\/\*+|~\/\.\[?\^?.?\]?\*|\/(?:etc|usr|bin|sbin|lib|lib64|boot|var|root|home|dev|sys|proc|opt|users|system|library|applications|mnt)(?:\/\*+)?|[a-z]:\/(?:windows|users|program files(?: \(x86\))?|programdata)(?:\/\*)?|%systemroot%|\$env:systemroot|%systemdrive%\/?|\$env:systemdrive\/?)$/i
const IMPORTANT =
  /^(?:\/(?:home|users)\/[^/*]+(?:\/\*+)?|~\/(?:documents|desktop|pictures|downloads|library|projects|work|code|src|\.ssh|\.aws|\.gnupg|\.kube|\.config)(?:\/\*+)?|\/etc\/(?:ssh|ssl|passwd|shadow|fstab|pam\.d|systemd|cron\.d|kubernetes)(?:\/\*+)?|\/usr\/(?:bin|sbin|lib|lib64|local|share|include)(?:\/\*+)?|\/var\/(?:lib|log|www|spool|backups|mail|lib\/(?:docker|postgresql|mysql|kubelet|etcd))(?:\/\*+)?|\/(?:srv|data|backups?|lib\/modules)(?:\/\*+)?|\/boot\/.*|[a-z]:\/users\/[^/*]+(?:\/\*)?|[a-z]:\/windows\/system32(?:\/.*)?)$/i

/** How bad it is to delete a path with everything below it; `null` for what is nobody's loss. */
export function deletionOf(path: string): CommandRuleId | null {
  const plain = normalPath(path)
  if (ROOT.test(plain)) return 'delete-root'
  if (IMPORTANT.test(plain)) return 'delete-important'
  if (/^(?:\.\.\/?)+(?:\*+)?$/.test(plain)) return 'delete-important'
  return /^(?:\.?\/?\*+|\.|\$PWD(?:\/\*+)?|\.\/\.\*)$/.test(plain) ? 'delete-everything-here' : null
}

const DISK =
  /^\/dev\/(?:sd[a-z]\d*|hd[a-z]\d*|vd[a-z]\d*|xvd[a-z]\d*|nvme\d+n\d+(?:p\d+)?|mmcblk\d+(?:p\d+)?|r?disk\d+(?:s\d+)?|mapper\/[^/]+|md\d+|mem|kmem)$|^\/\/\.\/physicaldrive\d+$/i

/** Whether a path is a disk, or memory. */
export const isDisk = (path: string): boolean => DISK.test(path.replaceAll('\\', '/'))

/** Files that hold credentials, by rule; the first that fits. */
const CREDENTIALS: readonly (readonly [CommandRuleId, RegExp])[] = [
  [
    'password-file-read',
    /(?:^|\/)etc\/(?:shadow|gshadow|master\.passwd|security\/opasswd)-?$|(?:^|\/)(?:windows\/system32\/config\/(?:sam|system|security)|ntds\.dit)$/i,
  ],
  ['service-account-token', /(?:^|\/)(?:var\/)?run\/secrets\/(?:kubernetes\.io|eks\.amazonaws\.com|azure)\/[^ ]*$/i],
  [
    'keychain-read',
    /\/library\/keychains(?:\/|$)|(?:^|\/)(?:login data|logins\.json|key[34]\.db|cookies\.sqlite|wallet\.dat|\.password-store(?:\/.*)?|keyrings\/[^/]+)$|(?:chrome|chromium|brave-browser|edge)\/.{0,80}\/(?:login data|cookies|web data)$/i,
  ],
  [
    'credential-read',
    /(?:^|\/)\.ssh\/(?:id_[a-z0-9_]+|identity|[^/]{1,60}\.pem|\*|id_\*)$|(?:^|\/)(?:id_(?:rsa|dsa|ecdsa|ed25519))$|(?:^|\/)\.aws\/(?:credentials|config|sso\/.*|cli\/cache.*)$|(?:^|\/)\.(?:git-credentials|netrc|pgpass|my\.cnf|vault-token|dockercfg|s3cfg|boto|htpasswd)$|(?:^|\/)_netrc$|(?:^|\/)\.docker\/config\.json$|(?:^|\/)\.kube\/config$|(?:^|\/)etc\/kubernetes\/(?:admin|kubelet)\.conf$|(?:^|\/)etc\/kubernetes\/pki\/.*\.key$|(?:^|\/)\.config\/(?:gcloud\/.{1,200}|gh\/hosts\.yml|rclone\/rclone\.conf|op\/.*|hub)$|(?:^|\/)\.azure\/(?:accesstokens\.json|msal_token_cache\..*|azureprofile\.json)$|(?:^|\/)\.gnupg\/(?:private-keys-v1\.d.*|secring\.gpg)$|(?:^|\/)\.(?:openclaw|clawdbot)\/(?:credentials.*|openclaw\.json|\.env)$|(?:^|\/)\.terraform\.d\/credentials\.tfrc\.json$|(?:^|\/)\.(?:claude|codex)\/(?:\.credentials\.json|auth\.json)$|^\/proc\/(?:self|\d+|\*)\/environ$|(?:^|\/)etc\/ssh\/ssh_host_[a-z0-9]+_key$|(?:^|\/)\.(?:ethereum|bitcoin|solana|electrum)\/.{1,200}$|(?:^|\/)\.config\/solana\/id\.json$/i,
  ],
  [
    'dotenv-read',
    /(?:^|\/)\.env(?:\.(?:local|production|prod|development|dev|staging|stage|live|secret|secrets))?$|(?:^|\/)(?:\.npmrc|\.pypirc)$/i,
  ],
]

/** The rule for reading a file; `null` where that is no one's secret. */
export function credentialOf(path: string): CommandRuleId | null {
  if (path.length < 4 || path.endsWith('.pub')) return null
  const plain = normalPath(path)
  return CREDENTIALS.find(([, pattern]) => pattern.test(plain))?.[0] ?? null
}

/** A folder full of credentials, where it is taken whole. */
export const isCredentialFolder = (path: string): boolean =>
  /(?:^|\/)(?:\.ssh|\.aws|\.gnupg|\.kube|\.azure|\.config\/gcloud|\.docker|\.password-store|library\/keychains|\.openclaw\/credentials)(?:\/\*)?$/i.test(
    normalPath(path),
  )

/** Files that run something later, or let somebody in, by rule. */
const PERSISTENT: readonly (readonly [CommandRuleId, RegExp])[] = [
  ['authorized-keys', /(?:^|\/)\.ssh\/authorized_keys2?$|(?:^|\/)etc\/ssh\/sshd_config(?:\.d\/.*)?$/i],
  ['sudoers-change', /^\/(?:private\/)?etc\/sudoers(?:\.d\/.*)?$/i],
  ['account-change', /^\/etc\/(?:passwd|shadow|group|pam\.d\/.*)$/i],
  ['preload-library', /^\/etc\/ld\.so\.(?:preload|conf(?:\.d\/.*)?)$/i],
  [
    'scheduled-task',
    /^\/etc\/(?:crontab|anacrontab|cron\.(?:d|hourly|daily|weekly|monthly)\/.*)$|^\/var\/spool\/cron\/.*|\/library\/launch(?:agents|daemons)\/.*/i,
  ],
  [
    'service-install',
    /^\/(?:etc|usr\/lib|lib)\/systemd\/(?:system|user)\/.*|(?:^|\/)\.config\/(?:systemd\/user|autostart)\/.*|^\/etc\/(?:init\.d\/.*|rc\.local)$|\/start menu\/programs\/startup\/.*/i,
  ],
  [
    'login-script',
    /^(?:~|\/root|\/home\/[^/]+|\/users\/[^/]+)\/\.(?:bashrc|bash_profile|bash_login|bash_logout|bash_aliases|profile|zshrc|zshenv|zprofile|zlogin|xprofile|xinitrc|config\/fish\/config\.fish)$|^\/etc\/(?:profile(?:\.d\/.*)?|bash\.bashrc|zsh\/.*|environment)$|microsoft\.powershell_profile\.ps1$/i,
  ],
  ['git-hook', /(?:^|\/)\.git\/hooks\/(?!.*\.sample$)[a-z-]+$/i],
]

/** The rule for writing a file; `null` where nothing follows from it. */
export function persistenceOf(path: string): CommandRuleId | null {
  const plain = normalPath(path)
  return PERSISTENT.find(([, pattern]) => pattern.test(plain))?.[0] ?? null
}

/** Where clouds tell a machine its credentials. */
export const METADATA_HOST =
  /(?:^|[/@"'\s=([])(?:169\.254\.169\.254|169\.254\.170\.2|100\.100\.100\.200|metadata\.google\.internal|\[?fd00:ec2::254\]?|0xa9fea9fe|2852039166|0251\.0376\.0251\.0376|instance-data(?:\.ec2\.internal)?)(?=$|[/:"'\s?)\]])/i
