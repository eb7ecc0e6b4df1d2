import { writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type {
  ChannelAsk,
  LeaseSyncAnswer,
  LeaseSyncMessage,
  LeaseWelcome,
  PolicyKey,
  SignedBundle,
} from '@agentcostcontrol/contract'
import { folderFor, type Scope } from './scope.ts'

/** How a control plane fails on its channel. */
export type Misbehaviour = 'garbage' | 'another shape' | 'hangs' | 'dies' | 'drips' | 'status 500' | 'unauthenticated'

/** Something at the other end of a sidecar's channel that does what a test wants, over real sockets. */
export interface ScriptedPlane {
  readonly url: string
  /** For a sidecar of it. */
  readonly env: Readonly<Record<string, string>>
  /** Every poll so far, oldest first. */
  readonly asks: readonly ChannelAsk[]
  readonly enrolments: number
  /** What it has from now on; polls that know less are answered. */
  publish(bundle: SignedBundle): void
  /** Every poll is answered with this, whatever it knows. */
  insist(bundle: SignedBundle | null): void
  /** What it does with polls instead; those that it holds are done the same to. */
  misbehave(how: Misbehaviour | null): void
  /** The keys that it tells at enrolments. */
  keys: readonly PolicyKey[]
  stop(): Promise<void>
  start(): Promise<void>
}

const DRIP_MS = 5

/** Starts one; it ends with the scope. */
export async function scriptedPlaneFor(scope: Scope, keys: readonly PolicyKey[]): Promise<ScriptedPlane> {
  const tokenFile = join(folderFor(scope), 'token')
  writeFileSync(tokenFile, 'a token\n')
  const asks: ChannelAsk[] = []
  let enrolments = 0
  let published: { readonly generation: number; readonly bundle: SignedBundle } | null = null
  let insisted: SignedBundle | null = null
  let misbehaviour: Misbehaviour | null = null
  let port = 0
  const held = new Map<ServerResponse, ChannelAsk>()

  function answer(response: ServerResponse, ask: ChannelAsk): void {
    if (misbehaviour !== null) {
      held.delete(response)
      misbehave(response, misbehaviour)
      return
    }
    const known = Math.max(ask.versions.policy, ask.refused?.generation ?? 0)
    const news = insisted ?? (published !== null && published.generation > known ? published.bundle : null)
    if (news === null && ask.waitMs > 0) {
      held.set(response, ask)
      const timer = setTimeout(() => answer(response, { ...ask, waitMs: 0 }), ask.waitMs)
      response.once('close', () => clearTimeout(timer))
      return
    }
    held.delete(response)
    response.end(JSON.stringify({ policy: news, leases: null, commands: null }))
  }

  function misbehave(response: ServerResponse, how: Misbehaviour): void {
    const whole = JSON.stringify({ policy: published?.bundle ?? null, leases: null, commands: null })
    if (how === 'garbage') response.end('<html>not JSON')
    else if (how === 'another shape') response.end(JSON.stringify({ policy: 1 }))
    else if (how === 'dies') response.socket?.destroy()
    else if (how === 'status 500') response.writeHead(500).end('{}')
    else if (how === 'unauthenticated') response.writeHead(401).end('{}')
    else if (how === 'drips') drip(response, whole)
  }

  const takes: Readonly<Record<string, (response: ServerResponse, body: string) => void>> = {
    '/sidecar/v1/enrol': (response) => {
      enrolments++
      response.end(JSON.stringify({ credential: `c-${enrolments}`, validForMs: 3_600_000, policyKeys: plane.keys }))
    },
    '/sidecar/v1/events': (response, body) => {
      const { events }: { readonly events: readonly { readonly seq: number }[] } = JSON.parse(body)
      const storedThrough = events.at(-1)?.seq
      response.end(JSON.stringify({ storedThrough, stored: events.length, repeated: 0, refused: [] }))
    },
    '/sidecar/v1/leases/hello': (response) => {
      const leases: LeaseWelcome = {
        generation: 2,
        continuity: 'broken',
        ledgerEpoch: 1,
        nowMs: Date.now(),
        leases: [],
        periods: [],
      }
      response.end(JSON.stringify(leases))
    },
    '/sidecar/v1/leases/sync': (response, body) => {
      const { items }: LeaseSyncMessage = JSON.parse(body)
      const answer: LeaseSyncAnswer = { ledgerEpoch: 1, nowMs: Date.now(), items: items.map(granted) }
      response.end(JSON.stringify(answer))
    },
    '/sidecar/v1/heartbeat': (response, body) => {
      const { seq }: { readonly seq: number } = JSON.parse(body)
      response.end(JSON.stringify({ seq }))
    },
    '/sidecar/v1/channel': (response, body) => {
      const ask: ChannelAsk = JSON.parse(body)
      asks.push(ask)
      response.once('close', () => held.delete(response))
      answer(response, ask)
    },
  }
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    takes[request.url ?? '']?.(response, Buffer.concat(chunks).toString())
  })
  const plane: ScriptedPlane = {
    get url() {
      return `http://127.0.0.1:${port}`
    },
    get env() {
      return { ACC_CONTROL_PLANE_URL: `http://127.0.0.1:${port}`, ACC_CONTROL_PLANE_TOKEN_FILE: tokenFile }
    },
    asks,
    get enrolments() {
      return enrolments
    },
    keys,
    publish: (bundle) => {
      published = { generation: JSON.parse(bundle.manifest).generation, bundle }
      for (const [response, ask] of held) answer(response, ask)
    },
    insist: (bundle) => {
      insisted = bundle
      for (const [response, ask] of held) answer(response, ask)
    },
    misbehave: (how) => {
      misbehaviour = how
      if (how !== null) for (const response of [...held.keys()]) misbehave(response, how)
      if (how !== null) held.clear()
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
    start: () =>
      new Promise((resolve) => {
        server.listen(port, '127.0.0.1', () => {
          port = (server.address() as AddressInfo).port
          resolve()
        })
      }),
  }
  await plane.start()
  scope.teardown(() => (server.listening ? plane.stop() : undefined))
  return plane
}

/** All that is asked of a budget, but of the one that is named `none`. */
function granted({
  counter,
  granted: before,
  want,
}: LeaseSyncMessage['items'][number]): LeaseSyncAnswer['items'][number] {
  const isNone = counter.budgetUid === 'Budget/none'
  return {
    granted: String(BigInt(before) + (isNone ? 0n : BigInt(want))),
    verdict: isNone ? 'exhausted' : 'granted',
    available: isNone ? '1' : '1000000000000000',
    spent: '0',
    ttlMs: 3_600_000,
    retryAfterMs: 200,
  }
}

/** Sends a text in many small pieces. */
function drip(response: ServerResponse, text: string): void {
  const bytes = Buffer.from(text)
  const piece = Math.ceil(bytes.length / 100)
  let sent = 0
  const timer = setInterval(() => {
    response.write(bytes.subarray(sent, sent + piece))
    sent += piece
    if (sent < bytes.length) return
    clearInterval(timer)
    response.end()
  }, DRIP_MS)
  response.once('close', () => clearInterval(timer))
}
