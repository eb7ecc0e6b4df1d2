import { deletionOf, persistenceOf } from '../../paths.ts'
import type { CommandRuleId } from '../../rules.ts'
import { hasOption, type Invocation, operands } from '../unwrap.ts'
import { type RulesByProgram, upstreamOf } from './common.ts'

const SECURITY_SERVICE =
  /^(?:auditd|falco|falco-.*|crowdstrike|falcon-sensor|clamav.*|clamd|apparmor|selinux|ufw|firewalld|iptables|nftables|fail2ban|osqueryd|wazuh-agent|ossec|sysmon|rsyslog|syslog-ng|windefend|mpssvc|sense|auditbeat|mdatp|com\.crowdstrike.*)(?:\.service)?$/i
const HISTORY =
  /(?:^|\/)\.(?:bash|zsh|sh|python|mysql|psql|node_repl)_history$|(?:^|\/)fish_history$|consolehost_history\.txt$/i
const LOGS =
  /^\/var\/log(?:\/(?:\*|auth\.log|syslog|secure|messages|wtmp|btmp|lastlog|audit(?:\/.*)?|kern\.log|journal(?:\/.*)?).*)?$/

/** History, logs, guards, rights and accounts. */
export const system: RulesByProgram = {
  history: ({ args }) => (hasOption(args, 'c') ? 'history-clear' : null),
  unset: ({ args }) => (args.includes('HISTFILE') ? 'history-clear' : null),
  set: ({ args }) => (args[0] === '+o' && args[1] === 'history' ? 'history-clear' : null),
  rm: ({ args }) => written(args),
  shred: ({ args }) => written(args),
  truncate: ({ args }) => written(args),
  ln: ({ args }) => (operands(args)[0] === '/dev/null' ? written(args) : null),
  cp: ({ args }) => (operands(args)[0] === '/dev/null' ? written(args) : persistedAt(args)),
  mv: ({ args }) => persistedAt(args),
  install: ({ args }) => persistedAt(args),
  tee: ({ args }) =>
    operands(args)
      .map(persistenceOf)
      .find((rule) => rule !== null) ?? null,
  journalctl: ({ args }) =>
    args.some((arg) => /^--(?:vacuum-time=1s|vacuum-size=1|rotate)$/.test(arg)) &&
    args.some((arg) => arg.startsWith('--vacuum'))
      ? 'log-clear'
      : null,
  wevtutil: ({ args }) => (/^(?:cl|clear-log)$/i.test(args[0] ?? '') ? 'log-clear' : null),
  auditctl: ({ args }) => (hasOption(args, 'D') || (args[0] === '-e' && args[1] === '0') ? 'security-off' : null),
  setenforce: ({ args }) => (/^(?:0|permissive)$/i.test(args[0] ?? '') ? 'security-off' : null),
  systemctl: ({ args }) =>
    /^(?:stop|disable|mask|kill)$/.test(operands(args)[0] ?? '') &&
    operands(args)
      .slice(1)
      .some((unit) => SECURITY_SERVICE.test(unit))
      ? 'security-off'
      : null,
  service: ({ args }) => (SECURITY_SERVICE.test(args[0] ?? '') && args[1] === 'stop' ? 'security-off' : null),
  sc: ({ args }) =>
    /^(?:stop|delete|config)$/i.test(args[0] ?? '') && SECURITY_SERVICE.test(args[1] ?? '') ? 'security-off' : null,
  pkill: ({ args }) => (operands(args).some((name) => SECURITY_SERVICE.test(name)) ? 'security-off' : null),
  killall: ({ args }) => (operands(args).some((name) => SECURITY_SERVICE.test(name)) ? 'security-off' : null),
  csrutil: ({ args }) => (args[0] === 'disable' ? 'security-off' : null),
  spctl: ({ args }) => (args.includes('--master-disable') || args.includes('--global-disable') ? 'security-off' : null),
  xattr: ({ args }) => (args.includes('com.apple.quarantine') && hasOption(args, 'dc') ? 'security-off' : null),
  iptables: ({ args }) =>
    (hasOption(args, 'F', '--flush') && !args.includes('-t')) || (args[0] === '-P' && args[2] === 'ACCEPT')
      ? 'firewall-off'
      : null,
  nft: ({ args }) => (args[0] === 'flush' && args[1] === 'ruleset' ? 'firewall-off' : null),
  ufw: ({ args }) => (operands(args)[0] === 'disable' || operands(args)[0] === 'reset' ? 'firewall-off' : null),
  netsh: ({ args }) =>
    args.some((arg) => /firewall/i.test(arg)) && /\boff$|disable$/i.test(args.join(' ')) ? 'firewall-off' : null,
  chmod: changesMode,
  chown: ({ args }) =>
    hasOption(args, 'R', '--recursive') &&
    operands(args)
      .slice(1)
      .some((path) => deletionOf(path) === 'delete-root' && !/^(?:~|\$HOME)/.test(path))
      ? 'world-writable-root'
      : null,
  setcap: ({ args }) =>
    args.some((arg) => /cap_(?:setuid|sys_admin|dac_override|sys_ptrace)/i.test(arg)) ? 'set-user-id' : null,
  crontab: ({ args, command }) => {
    if (hasOption(args, 'r')) return 'delete-important'
    const files = operands(args)
    return hasOption(args, 'le') || (files.length === 0 && !command.pipedFrom && command.redirects.length === 0)
      ? null
      : 'scheduled-task'
  },
  at: ({ command, args }) =>
    args.length > 0 && (upstreamOf(command).length > 0 || command.redirects.length > 0) ? 'scheduled-task' : null,
  batch: ({ command }) => (upstreamOf(command).length > 0 ? 'scheduled-task' : null),
  schtasks: ({ args }) => (/^\/create$/i.test(args[0] ?? '') ? 'scheduled-task' : null),
  launchctl: ({ args }) => (/^(?:load|bootstrap|submit)$/.test(args[0] ?? '') ? 'service-install' : null),
  'systemd-run': ({ args }) => (args.some((arg) => arg.startsWith('--on-')) ? 'scheduled-task' : null),
  useradd: addsUser,
  adduser: addsUser,
  usermod: ({ args }) =>
    args.some((arg) => /^(?:sudo|wheel|root|admin)$/.test(arg)) || (hasOption(args, 'o') && args.includes('0'))
      ? 'account-change'
      : null,
  gpasswd: ({ args }) => (args.some((arg) => /^(?:sudo|wheel|root)$/.test(arg)) ? 'account-change' : null),
  chpasswd: () => 'account-change',
  passwd: ({ args }) => (operands(args).includes('root') || hasOption(args, 'd') ? 'account-change' : null),
  net: ({ args }) =>
    /^(?:user|localgroup)$/i.test(args[0] ?? '') && args.some((arg) => /^\/add$/i.test(arg)) ? 'account-change' : null,
  reg: ({ args }) =>
    /^add$/i.test(args[0] ?? '') && /\\currentversion\\run(?:once)?$/i.test(args[1] ?? '') ? 'login-script' : null,
  insmod: () => 'preload-library',
}

function written(args: readonly string[]): CommandRuleId | null {
  const named = operands(args)
  if (named.some((path) => HISTORY.test(path))) return 'history-clear'
  return named.some((path) => LOGS.test(path)) ? 'log-clear' : null
}

function persistedAt(args: readonly string[]): CommandRuleId | null {
  const named = operands(args)
  return named.length < 2 ? null : persistenceOf(named.at(-1) ?? '')
}

function changesMode({ args }: Invocation): CommandRuleId | null {
  const [mode = '', ...paths] = args.filter((arg) => !/^-[Rvfc]+$|^--/.test(arg))
  if (/^(?:[ugo]*\+[rwx]*s[rwx]*|0?[4-7]\d{3})$/.test(mode) && !/^0/.test(mode))
    return /^(?:g\+|2)/.test(mode) ? null : 'set-user-id'
  if (!/^(?:0?777|a\+rwx|a=rwx|ugo\+rwx|o\+w|a\+w|0?666)$/.test(mode)) return null
  return paths.some((path) => ['delete-root', 'delete-important'].includes(deletionOf(path) ?? ''))
    ? 'world-writable-root'
    : /777|rwx/.test(mode)
      ? 'world-writable'
      : null
}

function addsUser({ args }: Invocation): CommandRuleId | null {
  return args.some((arg) => /^(?:sudo|wheel|root|admin)$/.test(arg)) || (hasOption(args, 'o') && args.includes('0'))
    ? 'account-change'
    : null
}

/** Emptying a file by a redirection, or by a program that writes nothing into it. */
export function redirectionRule(path: string): CommandRuleId | null {
  if (HISTORY.test(path)) return 'history-clear'
  return LOGS.test(path) && path !== '/var/log' ? 'log-clear' : persistenceOf(path)
}

/** Settings that switch the history off, or load a library into everything. */
export function assignmentRule(assignment: string): CommandRuleId | null {
  if (/^HISTFILE=(?:\/dev\/null)?$|^HIST(?:FILE)?SIZE=0$|^HISTCONTROL=ignorespace:erasedups$/.test(assignment))
    return 'history-clear'
  return /^(?:LD_PRELOAD|DYLD_INSERT_LIBRARIES)=\/(?:tmp|dev\/shm|var\/tmp)\//.test(assignment)
    ? 'preload-library'
    : null
}
