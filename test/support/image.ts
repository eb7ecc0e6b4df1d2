import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { inCheckout } from './paths.ts'
import { folderFor, type Scope } from './scope.ts'

/** One instruction of a Dockerfile. */
export interface Instruction {
  readonly name: string
  readonly rest: string
}

/** The instructions of each stage; the first of each is its FROM. */
export function readDockerfile(path: string): readonly (readonly Instruction[])[] {
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
  const stages: Instruction[][] = []
  for (const line of lines.filter((text) => text.trim() !== '')) {
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
    if (name === 'FROM') stages.push([])
    stages.at(-1)?.push({ name, rest })
  }
  return stages
}

/** What the last of these instructions says; '' if there is none. */
export const said = (stage: readonly Instruction[], name: string): string =>
  stage.findLast((instruction) => instruction.name === name)?.rest ?? ''

/** The variables that a stage sets. */
export function environmentOf(stage: readonly Instruction[]): Readonly<Record<string, string>> {
  const pairs = stage.filter(({ name }) => name === 'ENV').flatMap(({ rest }) => rest.split(/\s+/))
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
}

/** What a stage says to malloc: its settings and no others, those of `environmentOf`. */
export const mallocSettings = (stage: readonly Instruction[]): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(environmentOf(stage)).filter(([name]) => name.startsWith('MALLOC_')))

/** What a COPY takes, and where it puts it. */
export interface Copy {
  readonly source: string
  readonly to: string
}

/** The copies of a stage. @param from the stage that they are taken from; the build context if left out */
export function copiesOf(stage: readonly Instruction[], from?: string): readonly Copy[] {
  return stage
    .filter(({ name, rest }) => name === 'COPY' && /^--from=(\S+)/.exec(rest)?.[1] === from)
    .flatMap(({ rest }) => {
      const words = rest.split(/\s+/).filter((word) => !word.startsWith('--'))
      const to = words.pop() ?? ''
      return words.map((source) => ({ source, to }))
    })
}

/** Whether .dockerignore keeps a path of the checkout from the builder: the last pattern that fits it or its folder decides. */
export function isIgnored(path: string): boolean {
  const parts = path.split('/')
  const folders = parts.map((_, index) => parts.slice(0, index + 1).join('/'))
  let ignored = false
  for (const line of readFileSync(inCheckout('.dockerignore'), 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const pattern = patternOf(line.replace(/^!/, ''))
    if (folders.some((folder) => pattern.test(folder))) ignored = !line.startsWith('!')
  }
  return ignored
}

/** A pattern as Docker reads it: unlike a shell's, its `*` also fits names that begin with a dot. */
function patternOf(line: string): RegExp {
  const wild: Readonly<Record<string, string>> = { '**/': '(?:.*/)?', '*': '[^/]*', '.': '\\.' }
  return new RegExp(`^${line.replace(/\*\*\/|[*.]/g, (part) => wild[part] ?? part)}$`)
}

/**
 * Follows the build stage in a temporary folder that holds what it copies and nothing else of the checkout; the packages
 * are those that are installed. @returns the folder that the build made, moved to where nothing is beside it
 */
export function followBuildStage(
  scope: Scope,
  stage: readonly Instruction[],
  plane: 'sidecar' | 'control-plane' = 'sidecar',
): string {
  const source = folderFor(scope)
  for (const { source: path, to } of copiesOf(stage)) {
    const isFile = /\.json$|^LICENSE$/.test(path)
    cpSync(inCheckout(path), join(source, to, isFile ? basename(path) : ''), {
      recursive: true,
      filter: (from) => !isIgnored(relative(inCheckout('.'), from)),
    })
  }
  linkPackages(source)
  const elsewhere = folderFor(scope)
  chmodSync(elsewhere, 0o755)
  const app = join(elsewhere, 'app')
  execFileSync(process.execPath, [join(source, plane, 'build/build.ts'), app], { cwd: source })
  return app
}

/** Links what is installed, and the workspaces to their copies. */
function linkPackages(root: string): void {
  const ours = join(root, 'node_modules/@agentcostcontrol')
  mkdirSync(ours, { recursive: true })
  for (const name of readdirSync(inCheckout('node_modules'))) {
    if (name !== '@agentcostcontrol') symlinkSync(inCheckout(`node_modules/${name}`), join(root, 'node_modules', name))
  }
  for (const name of readdirSync(root)) {
    if (existsSync(join(root, name, 'index.ts'))) symlinkSync(join(root, name), join(ours, name))
    const nested = inCheckout(`${name}/node_modules`)
    if (existsSync(nested)) symlinkSync(nested, join(root, name, 'node_modules'))
  }
}

/** A Node of its own where any user can run it, as an image has one: this one may be in a folder that others cannot enter. */
export function nodeFor(scope: Scope): string {
  const folder = folderFor(scope)
  chmodSync(folder, 0o755)
  const node = join(folder, 'node')
  copyFileSync(process.execPath, node)
  chmodSync(node, 0o755)
  return node
}
