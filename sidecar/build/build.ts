/**
 * Builds the folder that is shipped: `node sidecar/build/build.ts [FOLDER]`, `sidecar/dist` if left out. It holds
 * everything that `node main.js` needs, and runs wherever it is unpacked. The same sources give the same bytes.
 *
 * The code is bundled with its packages and not minified, so that a stack trace points at lines that can be read; the
 * source maps lead to the sources with `node --enable-source-maps`, and are not opened without it.
 */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { emptyFolder } from '../../build/empty-folder.ts'
import { thirdPartyLicences } from '../../build/licences.ts'
import { asciiOnly, lean } from './lean.ts'

const NAME = '@agentcostcontrol/sidecar'
const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = resolve(process.argv[2] ?? join(root, 'sidecar/dist'))

await emptyFolder(folder, NAME)
const { metafile, outputFiles } = await build({
  absWorkingDir: root,
  // The names that sidecar/worker-url.ts, policy/compile-beside.ts, detectors/custom/engines.ts and the Dockerfile lean on.
  entryPoints: {
    main: 'sidecar/main.ts',
    spend: 'sidecar/spend.ts',
    'policy-worker': 'policy/policy-worker.ts',
    're2-engine': 'detectors/custom/re2-engine.ts',
    'cel-engine': 'detectors/custom/cel-engine.ts',
    'inspect/worker': 'sidecar/inspect/worker.ts',
    'threat-intel/compile-worker': 'sidecar/threat-intel/compile-worker.ts',
    'events/storage-worker': 'sidecar/events/storage-worker.ts',
    // Piscina starts each of its threads with a file `worker.js` beside the one that it is in itself.
    worker: 'node_modules/piscina/dist/worker.js',
  },
  outdir: folder,
  bundle: true,
  splitting: true,
  // Beside main.js, since code that finds files relative to itself may be in any of them.
  chunkNames: 'shared-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node24',
  // Native code that Piscina loads only to change the threads' niceness, which nobody asks for.
  external: ['@napi-rs/nice'],
  plugins: [lean(join(root, 'sidecar'))],
  define: { __dirname: 'import.meta.dirname' },
  banner: {
    js: "import { createRequire as createRequireOf } from 'node:module'\nconst require = createRequireOf(import.meta.url)",
  },
  legalComments: 'none',
  sourcemap: 'linked',
  sourcesContent: false,
  write: false,
  metafile: true,
  logLevel: 'warning',
})

const { version } = JSON.parse(await readFile(join(root, 'sidecar/package.json'), 'utf8'))
const about = { name: NAME, version, private: true, license: 'Apache-2.0', type: 'module', engines: { node: '>=24' } }
await Promise.all([
  ...outputFiles.map(async ({ path, text }) => {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, asciiOnly(text))
  }),
  writeFile(join(folder, 'package.json'), `${JSON.stringify(about, null, 2)}\n`),
  writeFile(
    join(folder, 'THIRD-PARTY-LICENCES.txt'),
    thirdPartyLicences('The sidecar', root, Object.keys(metafile.inputs)),
  ),
  cp(join(root, 'LICENSE'), join(folder, 'LICENSE')),
  cp(join(root, 'seed/rate-card.json'), join(folder, 'rate-card.json')),
  cp(join(root, 'policies/starter'), join(folder, 'policies/starter'), { recursive: true }),
])
