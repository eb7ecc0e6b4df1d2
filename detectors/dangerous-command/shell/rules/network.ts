import { credentialOf, isCredentialFolder, METADATA_HOST } from '../../paths.ts'
import type { CommandRuleId } from '../../rules.ts'
import type { Command, Script } from '../syntax.ts'
import { hasOption, type Invocation, invocationsOf, operands, optionValues, programName } from '../unwrap.ts'
import { isDownloader, isInterpreter, isSender, isShell, readsProgram, upstreamOf } from './common.ts'

/** Installers that are told to be run so by those who make them; over https only. */
const KNOWN_INSTALLERS =
  /^https:\/\/(?:sh\.rustup\.rs|get\.docker\.com|(?:deb|rpm)\.nodesource\.com|raw\.githubusercontent\.com\/(?:nvm-sh|Homebrew|pyenv|ohmyzsh|helm)\/|astral\.sh|bun\.sh|get\.pnpm\.io|deno\.land|install\.python-poetry\.org|pyenv\.run|tailscale\.com|get\.helm\.sh|get\.k3s\.io|ollama\.com|fly\.io|cli\.doppler\.com|get\.sdkman\.io|starship\.rs|claude\.ai\/install\.sh|nixos\.org|get\.volta\.sh|fnm\.vercel\.app|bootstrap\.pypa\.io|install\.duckdb\.org|dot\.net|download\.docker\.com)(?:[/?]|$)/
const PLAIN_SOURCE =
  /^(?:http:\/\/(?!localhost[:/]|127\.0\.0\.1[:/])|(?:https?:\/\/)?(?!127\.|10\.|192\.168\.)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?:[:/]|$)|(?:https?:\/\/)?(?:[^/]*\.)?(?:ngrok(?:-free)?\.(?:io|app)|trycloudflare\.com|pastebin\.com|paste\.ee|transfer\.sh|bit\.ly|tinyurl\.com|webhook\.site|hastebin\.com|0x0\.st|rentry\.co|temp\.sh)(?:[:/]|$))/i

/** What is fetched and run at once: how bad depends on where it comes from. */
function executedFrom(downloads: readonly Invocation[]): CommandRuleId | null {
  const urls = downloads.flatMap(({ args }) =>
    args.filter((arg) => /^(?:https?:\/\/|[\w.-]+\.[a-z]{2,}(?:[:/]|$)|\d{1,3}\.\d)/i.test(arg)),
  )
  if (downloads.length === 0) return null
  if (urls.some((url) => PLAIN_SOURCE.test(url))) return 'download-execute-plain'
  return urls.length > 0 &&
    urls.every((url) => KNOWN_INSTALLERS.test(url) || /^https?:\/\/(?:localhost|127\.0\.0\.1)[:/]/.test(url))
    ? 'download-execute-known'
    : 'download-execute'
}

const downloadsIn = (scripts: readonly Script[]): readonly Invocation[] =>
  scripts
    .flat()
    .flatMap(invocationsOf)
    .filter(({ name }) => isDownloader(name))

/** `curl … | sh`, `sh <(curl …)`, `eval "$(curl …)"`, and the same with something decoded. */
export function executesFetched(invocation: Invocation): CommandRuleId | null {
  const { name, args, argWords, command } = invocation
  if (readsProgram(invocation)) {
    const upstream = upstreamOf(command)
    const fetched = executedFrom(upstream.filter((each) => isDownloader(each.name) && !savesOnly(each)))
    if (fetched) return fetched
    if (upstream.some(decodes)) return 'decode-execute'
    if (command.redirects.some(({ kind, target }) => kind !== 'out' && downloadsIn(target.scripts).length > 0))
      return 'download-execute'
  }
  const runsText =
    name === 'eval' ||
    name === '.' ||
    name === 'source' ||
    isShell(name) ||
    (isInterpreter(name) && hasOption(args, 'cer', '--eval'))
  if (!runsText) return null
  const scripts = argWords.flatMap((word) => word.scripts)
  const program = isInterpreter(name) ? [] : scripts
  return (
    executedFrom(downloadsIn(isInterpreter(name) ? scripts : program)) ??
    (program.flat().flatMap(invocationsOf).some(decodes) ? 'decode-execute' : null)
  )
}

function decodes({ name, args }: Invocation): boolean {
  if (/^(?:base64|gbase64|base32|basenc)$/.test(name)) return hasOption(args, 'dD', '--decode')
  if (name === 'openssl') return args.includes('-d')
  return (name === 'xxd' && hasOption(args, 'r')) || name === 'uudecode' || name === 'rev'
}

const savesOnly = ({ name, args }: Invocation): boolean =>
  name === 'curl'
    ? hasOption(args, 'oO', '--output', '--remote-name') && !args.includes('-')
    : name === 'wget' &&
      !args.some(
        (arg, index) =>
          /^-[a-zA-Z]*O-$|^--output-document=-$/.test(arg) ||
          (/^-[a-zA-Z]*O$|^--output-document$/.test(arg) && args[index + 1] === '-'),
      )

/** A file fetched by one command and run by a later one. */
export function executesSaved(script: Script): Command | null {
  const saved = new Set<string>()
  for (const command of script) {
    for (const { name, args } of invocationsOf(command)) {
      if (isDownloader(name)) for (const file of savedBy(name, args, command)) saved.add(baseOf(file))
      else if (saved.size > 0 && runs(name, args, command, saved)) return command
    }
  }
  return null
}

function savedBy(name: string, args: readonly string[], command: Command): readonly string[] {
  const url = args.find((arg) => /^https?:\/\//.test(arg))
  if (url !== undefined && KNOWN_INSTALLERS.test(url)) return []
  const named = name === 'curl' ? optionValues(args, '-o', '--output') : optionValues(args, '-O', '--output-document')
  const redirected = command.redirects.filter(({ kind }) => kind === 'out').map(({ target }) => target.text)
  const own =
    url !== undefined && (name === 'wget' || hasOption(args, 'O', '--remote-name')) ? [url.replace(/[?#].*$/, '')] : []
  return [...named, ...redirected, ...own].filter((file) => !/^(?:-|\/dev\/null)$/.test(file))
}

const baseOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

function runs(name: string, args: readonly string[], command: Command, saved: ReadonlySet<string>): boolean {
  if (isShell(name) || isInterpreter(name) || name === '.' || name === 'source') {
    const file = operands(args)[0]
    return file !== undefined && saved.has(baseOf(file))
  }
  const [first] = command.words
  return (
    first !== undefined && programName(first.text) === name && first.text.includes('/') && saved.has(baseOf(first.text))
  )
}

const SHELL_PATH = /(?:^|[\s/'"=:])(?:ba|z|da|k|c|tc)?sh(?:$|[\s'",])|cmd(?:\.exe)?$|powershell/i

/** Shells that are handed to somebody over the network. */
export function handsOutShell({ name, args, command }: Invocation): CommandRuleId | null {
  if (/^(?:nc|ncat|netcat|nc\.traditional|nc\.openbsd)$/.test(name)) {
    const executes = hasOption(args, 'ec', '--exec', '--sh-exec') && args.some((arg) => SHELL_PATH.test(arg))
    const listens = hasOption(args, 'l', '--listen')
    if (executes || feedsShell(command)) return listens ? 'bind-shell' : 'reverse-shell'
    return isFedByShell(command) ? 'reverse-shell' : null
  }
  if (name === 'socat') {
    const executes = args.some((arg) => /^(?:exec|system):/i.test(arg) && SHELL_PATH.test(arg))
    return executes
      ? args.some((arg) => /^(?:tcp|udp|openssl)\d?-l/i.test(arg))
        ? 'bind-shell'
        : 'reverse-shell'
      : null
  }
  if (name === 'telnet' || (name === 'openssl' && args[0] === 's_client'))
    return isFedByShell(command) || feedsShell(command) ? 'reverse-shell' : null
  return null
}

const isFedByShell = (command: Command): boolean =>
  upstreamOf(command).some(({ name, args }) => isShell(name) && (args.length === 0 || hasOption(args, 'i')))
/** `nc … | sh` is seen at `sh`; `< /tmp/fifo … > /tmp/fifo` here. */
const feedsShell = (command: Command): boolean =>
  command.redirects.some(
    ({ kind, target }) => kind === 'out' && /^\/tmp\/(?:f|p|fifo|pipe|backpipe)$/.test(target.text),
  ) && isFedByShell(command)

/** Redirections to `/dev/tcp/HOST/PORT` are the network. */
export const isSocketPath = (path: string): boolean => /^\/dev\/(?:tcp|udp)\/[^/]+\/\S+$/.test(path)

/** Credentials, the environment or files on their way out, and questions to a cloud's metadata. */
export function sends(invocation: Invocation): CommandRuleId | null {
  const { name, args, command, argWords } = invocation
  if ((isDownloader(name) || isSender(name)) && args.some((arg) => METADATA_HOST.test(arg))) return 'cloud-metadata'
  if (/^(?:scp|rsync|sftp|rclone|gsutil|aws|azcopy|s3cmd)$/.test(name)) return copiesOut(name, args)
  if (!isSender(name)) return null
  const read = [...upstreamOf(command), ...argWords.flatMap(({ scripts }) => scripts.flat().flatMap(invocationsOf))]
  const files = [
    ...attached(name, args),
    ...read.flatMap((each) => operands(each.args)),
    ...command.redirects.filter(({ kind }) => kind === 'in').map(({ target }) => target.text),
  ]
  if (files.some((file) => credentialOf(file) !== null || isCredentialFolder(file))) return 'credential-send'
  if (read.some(dumpsEnvironment)) return 'environment-send'
  return attached(name, args).some((file) => /^\/etc\/|^~\/\.|^\/root\//.test(file)) ? 'file-send' : null
}

const dumpsEnvironment = ({ name, args }: Invocation): boolean =>
  ((name === 'env' || name === 'printenv' || name === 'set') && operands(args).length === 0) ||
  (name === 'export' && (args.length === 0 || args[0] === '-p')) ||
  (name === 'declare' && args[0] === '-x')

function attached(name: string, args: readonly string[]): readonly string[] {
  if (name === 'wget') return optionValues(args, '--post-file', '--body-file')
  if (name === 'http' || name === 'https' || name === 'xh') return args.flatMap((arg) => /@(.+)$/.exec(arg)?.[1] ?? [])
  if (name !== 'curl') return []
  const data = optionValues(
    args,
    '-d',
    '--data',
    '--data-binary',
    '--data-raw',
    '--data-ascii',
    '--data-urlencode',
    '-F',
    '--form',
    '--json',
  )
  return [
    ...data.flatMap((value) => /(?:^|=)[@<]([^;,]+)/.exec(value)?.[1] ?? []),
    ...optionValues(args, '-T', '--upload-file'),
  ]
}

function copiesOut(name: string, args: readonly string[]): CommandRuleId | null {
  const named = operands(args.filter((_, index) => !/^-[iPFocJlSe]$/.test(args[index - 1] ?? '')))
  const target = named.at(-1) ?? ''
  const isRemote = /^(?:[\w.-]+@)?[\w.-]+:(?!\\)|^(?:s3|gs|https?|azure):\/\//.test(target)
  if (!isRemote && name !== 'sftp') return null
  return named.slice(0, -1).some((file) => credentialOf(file) !== null || isCredentialFolder(file))
    ? 'credential-send'
    : null
}
