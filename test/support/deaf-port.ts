import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import type { Scope } from './scope.ts'

/** Listens, then never looks again: the kernel takes as many connections as fit in the queue. */
const LISTENER = `
  const { createServer } = require('node:net')
  const { parentPort } = require('node:worker_threads')
  const server = createServer()
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port)
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
  })`

/** A port whose queue of connections is full: connecting to it neither succeeds nor fails. */
export async function deafPortFor(scope: Scope): Promise<number> {
  const worker = new Worker(LISTENER, { eval: true })
  const port = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  const sockets: Socket[] = []
  scope.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    await worker.terminate()
  })
  for (let full = false; !full; ) {
    if (sockets.length > 16) throw new Error('the queue of connections does not fill')
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    sockets.push(socket)
    // On loopback a handshake takes microseconds; one that takes this long waits for room in the queue.
    full = !(await Promise.race([
      new Promise((resolve) => socket.once('connect', () => resolve(true))),
      new Promise((resolve) => setTimeout(() => resolve(false), 300)),
    ]))
  }
  return port
}
