/**
 * Builds the folder that is shipped: `node control-plane/build/build.ts [FOLDER]`, `control-plane/dist` if left out. It
 * holds everything that `node control-plane/main.js` needs but a PostgreSQL, and runs wherever it is unpacked, with the
 * programs beside it. The same sources give the same bytes; nothing is minified.
 */
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'
import { emptyFolder } from '../../build/empty-folder.ts'
import { thirdPartyLicences } from '../../build/licences.ts'

const NAME = '@agentcostcontrol/control-plane'
const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = resolve(process.argv[2] ?? join(root, 'control-plane/dist'))
/** Where the code stands as in the checkout, so that it finds migrations and prices beside it as it does there. */
const CODE = 'control-plane'

/** Fastify's logger that logs nothing: the package is MIT and brings no text of its licence, so that it cannot be shipped. */
const silence: Plugin = {
  name: 'silence',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^abstract-logging$/ }, () => ({ path: 'silence', namespace: 'silence' }))
    onLoad({ filter: /.*/, namespace: 'silence' }, () => ({
      contents: "for (const level of ['fatal', 'error', 'warn', 'info', 'debug', 'trace']) exports[level] = () => {}",
    }))
  },
}

await emptyFolder(folder, NAME)
const { metafile, outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: {
    ...Object.fromEntries(
      ['main', 'verify', 'backup', 'restore'].map((name) => [`${CODE}/${name}`, `control-plane/${name}.ts`]),
    ),
    // The names that threat-intel/workshop.ts, policy/compile-beside.ts and detectors/custom/engines.ts lean on.
    [`${CODE}/intel-worker`]: 'control-plane/threat-intel/intel-worker.ts',
    [`${CODE}/policy-worker`]: 'policy/policy-worker.ts',
    [`${CODE}/re2-engine`]: 'detectors/custom/re2-engine.ts',
    [`${CODE}/cel-engine`]: 'detectors/custom/cel-engine.ts',
  },
  outdir: folder,
  bundle: true,
  splitting: true,
  chunkNames: `${CODE}/shared-[hash]`,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  define: { __dirname: 'import.meta.dirname' },
  banner: {
    js: "import { createRequire as createRequireOf } from 'node:module'\nconst require = createRequireOf(import.meta.url)",
  },
  plugins: [silence],
  legalComments: 'none',
  sourcemap: 'linked',
  sourcesContent: false,
  write: false,
  metafile: true,
  logLevel: 'warning',
})

const { version } = JSON.parse(await readFile(join(root, 'control-plane/package.json'), 'utf8'))
const about = { name: NAME, version, private: true, license: 'Apache-2.0', type: 'module', engines: { node: '>=24' } }
await Promise.all([
  ...outputFiles.map(async ({ path, contents }) => {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, contents)
  }),
  writeFile(join(folder, 'package.json'), `${JSON.stringify(about, null, 2)}\n`),
  writeFile(
    join(folder, 'THIRD-PARTY-LICENCES.txt'),
    thirdPartyLicences('The control plane', root, Object.keys(metafile.inputs)),
  ),
  cp(join(root, 'LICENSE'), join(folder, 'LICENSE')),
  cp(join(root, 'migrations'), join(folder, 'migrations'), { recursive: true }),
  cp(join(root, 'seed/rate-card.json'), join(folder, 'seed/rate-card.json')),
  cp(join(root, 'policies/starter'), join(folder, 'policies/starter'), { recursive: true }),
])
