/** The direction of imports, as CONTRIBUTING.md draws it: contract ← detectors ← policy ← planes and cli; the simulator leans on contract alone. */
const only = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: `^${from}/`, pathNot: '/test/' },
  to: {
    path: '^(contract|policy|detectors|sidecar|control-plane|simulator|cli|seed|test|bench)/',
    pathNot: `^(${[from, ...allowed].join('|')})/`,
  },
})

module.exports = {
  forbidden: [
    only('contract-imports-nothing-of-ours', 'contract', []),
    {
      name: 'contract-imports-zod-alone',
      severity: 'error',
      from: { path: '^contract/', pathNot: '/test/' },
      to: {
        dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg'],
        pathNot: 'node_modules/zod/',
      },
    },
    // What a rule of one's own means is decided where it is run; the policy says beforehand whether it can be.
    only('policy-imports-contract-and-detectors', 'policy', ['contract', 'detectors']),
    only('detectors-import-contract', 'detectors', ['contract']),
    only('sidecar-imports-no-other-plane', 'sidecar', ['contract', 'policy', 'detectors']),
    only('control-plane-imports-no-other-plane', 'control-plane', ['contract', 'policy', 'detectors']),
    only('simulator-imports-contract-alone', 'simulator', ['contract']),
    only('cli-imports-no-plane', 'cli', ['contract', 'policy', 'detectors']),
    {
      name: 'only-tests-import-test-or-bench',
      severity: 'error',
      from: { pathNot: '(^|/)test/|^bench/' },
      to: { path: '(^|/)test/|^bench/', pathNot: 'node_modules' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'everything-resolves', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(node_modules|dist|bench)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types'],
      extensions: ['.ts', '.js'],
    },
  },
}
