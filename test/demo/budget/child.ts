import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { inCheckout } from '../../support/paths.ts'
import type { Scope } from '../../support/scope.ts'
import { WITHOUT_TAP } from '../../support/sidecar.ts'

/** A small server in a process of its own, which ends with this one. */
export interface Child {
  readonly url: string
  /** Ends it as a power switch does. */
  kill(): Promise<void>
}

/** Starts a program of the checkout that prints `{"listening": URL}`. @throws if it ends before */
export async function childFor(scope: Scope, entry: string, env: Readonly<Record<string, string>>): Promise<Child> {
  const child = spawn('env', [...WITHOUT_TAP, process.execPath, inCheckout(entry)], {
    env: { PATH: process.env.PATH ?? '', ...env },
    // The IPC channel ends it when this process is killed.
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await exited
  }
  scope.teardown(() => end('SIGKILL'))
  const url = await new Promise<string>((resolve, reject) => {
    if (child.stdout) createInterface(child.stdout).once('line', (line) => resolve(String(JSON.parse(line).listening)))
    void exited.then(() => reject(new Error(`${entry} ended before it listened`)))
  })
  return { url, kill: () => end('SIGKILL') }
}
