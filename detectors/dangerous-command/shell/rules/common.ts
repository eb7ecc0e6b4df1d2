import type { CommandRuleId } from '../../rules.ts'
import type { Command } from '../syntax.ts'
import { type Invocation, invocationsOf } from '../unwrap.ts'

/** Commands of a pipeline that are looked at from its end. */
const PIPELINE_MAX = 12

/** Judges one invocation of a program that it is registered for. */
export type InvocationRule = (invocation: Invocation) => CommandRuleId | null

/** Rules by program. */
export type RulesByProgram = Readonly<Record<string, InvocationRule>>

const DOWNLOADERS = new Set([
  'curl',
  'wget',
  'fetch',
  'aria2c',
  'http',
  'https',
  'xh',
  'lwp-request',
  'lwp-download',
  'axel',
  'ftp',
  'tftp',
])
const SENDERS = new Set([
  'curl',
  'wget',
  'http',
  'https',
  'xh',
  'nc',
  'ncat',
  'netcat',
  'socat',
  'telnet',
  'openssl',
  'mail',
  'sendmail',
  'mutt',
  'ssh',
  'ftp',
  'dig',
  'nslookup',
  'host',
])
const SHELLS = new Set(['sh', 'bash', 'zsh', 'dash', 'ash', 'ksh', 'mksh', 'fish', 'tcsh', 'csh', 'pwsh', 'powershell'])
const INTERPRETERS =
  /^(?:python[\d.]*|pypy\d?|perl[\d.]*|ruby[\d.]*|node|nodejs|deno|bun|php\d*|lua[\d.]*|osascript|tclsh)$/

/** Fetches from the network and may print it. */
export const isDownloader = (name: string): boolean => DOWNLOADERS.has(name)
/** Sends what it reads, or is told, over the network. */
export const isSender = (name: string): boolean => SENDERS.has(name)
/** A command line interpreter. */
export const isShell = (name: string): boolean => SHELLS.has(name)
/** An interpreter of a language. */
export const isInterpreter = (name: string): boolean => INTERPRETERS.test(name)

/** Whether an interpreter runs what it reads: no file, no expression, no module is named. */
export function readsProgram({ name, args }: Invocation): boolean {
  if (name === '.' || name === 'source') return args[0] === '/dev/stdin' || args[0] === '-'
  if (!isShell(name) && !isInterpreter(name)) return false
  if (isShell(name) && args.some((arg) => /^-[a-z]*s$/.test(arg))) return true
  if (
    args.some((arg) => /^-[a-z]*[cemEpnr]$/.test(arg) && !/^-(?:x|ex|e|u|eu|eux)$/.test(isShell(name) ? arg : '')) ||
    args.includes('--eval')
  )
    return false
  const file = args.find((arg) => arg === '-' || !arg.startsWith('-'))
  return file === undefined || file === '-' || file === '/dev/stdin'
}

/** Everything in front of a command in its pipeline, nearest first. */
export function upstreamOf(command: Command): readonly Invocation[] {
  const found: Invocation[] = []
  let before = command.pipedFrom
  for (let count = 0; before && count < PIPELINE_MAX; count++) {
    found.push(...invocationsOf(before))
    before = before.pipedFrom
  }
  return found
}
