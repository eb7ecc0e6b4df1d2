#!/usr/bin/env node
// JavaScript, so that an older Node gets as far as being told: it cannot read the TypeScript of acc.ts.
const NODE_MAJOR_MIN = 24

if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  process.stderr.write(
    `acc needs Node ${NODE_MAJOR_MIN} or newer; this is ${process.versions.node}. On Linux (x64, arm64) "npm ci" brings it, and ` +
      `"npm start" and "npx acc" find it. Elsewhere install it from https://nodejs.org.\n`,
  )
  process.exitCode = 1
} else {
  await import('./acc.ts')
}
