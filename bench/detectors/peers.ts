/**
 * Other detectors for Node, each asked as its own documentation says, with its defaults. They know no source and no
 * session: a text, and yes or no.
 */
import { EventEmitter } from 'node:events'
import workerThreads from 'node:worker_threads'

/** What a peer says of a text. */
export interface PeerVerdict {
  /** It says that something is wrong, or changes the text. */
  readonly alerted: boolean
  /** It would not let the text pass. */
  readonly blocked: boolean
}

/** A detector to compare with. */
export interface Peer {
  readonly name: string
  judge(text: string): Promise<PeerVerdict>
}

/** A module that brings no types, or none that fit. @throws with how to install it, if it is not there */
async function load(specifier: string): Promise<unknown> {
  try {
    return await import(specifier)
  } catch (cause) {
    throw new Error(`${specifier} does not load; the peers are installed by: npm ci --prefix bench --ignore-scripts`, {
      cause,
    })
  }
}

/** The value under these keys, from the outside in. */
function at(value: unknown, ...keys: readonly string[]): unknown {
  return keys.reduce<unknown>((inner, key) => (isObject(inner) ? Reflect.get(inner, key) : undefined), value)
}

const isObject = (value: unknown): value is object =>
  (typeof value === 'object' && value !== null) || typeof value === 'function'

/** Calls a method of an object of which no type is known. @throws if it has none of that name */
function call(target: unknown, method: string, ...args: readonly unknown[]): unknown {
  const found = at(target, method)
  if (typeof found !== 'function') throw new Error(`there is no ${method}`)
  return Reflect.apply(found, target, args)
}

function construct(target: unknown, ...args: readonly unknown[]): unknown {
  if (typeof target !== 'function') throw new Error('there is no such class')
  return Reflect.construct(target, args)
}

const both = (flagged: boolean): PeerVerdict => ({ alerted: flagged, blocked: flagged })

/** `llm_guardrail`: two of its three models; the third is about harmful topics. */
async function llmGuardrail(): Promise<Peer> {
  const module = await load('llm_guardrail')
  return {
    name: 'llm_guardrail 2.1.2',
    judge: async (text) => {
      const injection = await call(module, 'checkInjection', text)
      const jailbreak = await call(module, 'checkJailbreak', text)
      return both(at(injection, 'detected') === true || at(jailbreak, 'detected') === true)
    },
  }
}

/** `vard`: its default, `moderate`, without its limit of 10 000 characters. What it takes out of a text is an alert. */
async function vard(): Promise<Peer> {
  const module = await load('@andersmyrmel/vard')
  const guard = call(call(at(module, 'default'), 'moderate'), 'maxLength', Number.MAX_SAFE_INTEGER)
  return {
    name: 'vard 1.2.0',
    judge: async (text) => {
      const result = call(guard, 'safeParse', text)
      const blocked = at(result, 'safe') !== true
      return { blocked, alerted: blocked || at(result, 'data') !== text }
    },
  }
}

/**
 * `hai-guardrails`: by patterns. Its default, `heuristic`, cannot run as it is published: threads are started from a path
 * of the machine that built it, and as soon as it is imported, so that their error ends the process whatever is asked of
 * it. Here they are none. Nothing else in this process starts threads.
 */
async function haiGuardrails(): Promise<Peer> {
  Reflect.set(workerThreads, 'Worker', NoThread)
  const module = await load('@presidio-dev/hai-guardrails')
  const guard = call(module, 'injectionGuard', { roles: ['user'] }, { mode: 'pattern', threshold: 0.7 })
  const engine = construct(at(module, 'GuardrailsEngine'), { guards: [guard] })
  return {
    name: 'hai-guardrails 1.12.0',
    judge: async (text) => {
      const result = await call(engine, 'run', [{ role: 'user', content: text }])
      return both(at(result, 'messagesWithGuardResult', '0', 'messages', '0', 'passed') === false)
    },
  }
}

/** A thread that does nothing. */
class NoThread extends EventEmitter {
  postMessage(): void {}
  ref(): void {}
  unref(): void {}
  async terminate(): Promise<number> {
    return 0
  }
}

/** Every peer, ready to be asked. */
export const loadPeers = (): Promise<readonly Peer[]> => Promise.all([llmGuardrail(), vard(), haiGuardrails()])
