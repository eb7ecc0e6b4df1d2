import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Scope } from './scope.ts'

/**
 * What becomes of what goes through. A hole lets connections be made and holds what comes, in one direction or both, as a
 * network does that loses packets: they are sent again, and arrive late, once it heals.
 */
type Cut = 'forward' | 'refuse' | 'reset' | 'hole up' | 'hole down' | 'hole'

/** A proxy that is cut on demand, in the middle of whatever is going through. */
export interface CuttingProxy {
  readonly url: string
  cut(how: Cut): Promise<void>
}

/** The two ends of a connection that goes through. */
interface Pair {
  readonly client: Socket
  readonly server: Socket
}

/** Starts a proxy in front of a server on this machine. */
export async function cuttingProxyFor(scope: Scope, target: string): Promise<CuttingProxy> {
  const targetPort = Number(new URL(target).port)
  const pairs = new Set<Pair>()
  let state: Cut = 'forward'

  const hold = ({ client, server }: Pair): void => {
    if (state === 'hole' || state === 'hole up') client.pause()
    else client.resume()
    if (state === 'hole' || state === 'hole down') server.pause()
    else server.resume()
  }

  function take(client: Socket): void {
    if (state === 'reset') {
      client.on('error', () => {}).resetAndDestroy()
      return
    }
    const pair = { client, server: connect(targetPort, '127.0.0.1') }
    const { server } = pair
    pairs.add(pair)
    const end = (): void => {
      pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    client.on('data', (bytes) => server.write(bytes))
    server.on('data', (bytes) => client.write(bytes))
    for (const socket of [client, server]) socket.on('error', () => {}).on('close', end)
    hold(pair)
  }

  const listen = async (port: number): Promise<Server> => {
    const server = createServer(take).listen(port, '127.0.0.1')
    await once(server, 'listening')
    return server
  }
  let listener = await listen(0)
  const address = listener.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  const { port } = address

  const drop = (): void => {
    for (const { client, server } of pairs) {
      client.resetAndDestroy()
      server.resetAndDestroy()
    }
  }
  scope.teardown(() => {
    listener.close()
    drop()
  })
  return {
    url: `http://127.0.0.1:${port}`,
    cut: async (how) => {
      state = how
      if (how === 'refuse') listener.close()
      else if (!listener.listening) listener = await listen(port)
      if (how === 'refuse' || how === 'reset') drop()
      else for (const pair of pairs) hold(pair)
    },
  }
}
