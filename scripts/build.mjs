// Builds dist/: one bundle with shared chunks by Rolldown, declarations by TypeScript.
import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { minifySync } from 'rolldown/utils'

const root = fileURLToPath(new URL('..', import.meta.url))
const entries = {
  index: 'src/index.ts',
  'bundlers/vite': 'src/bundlers/vite.ts',
  'bundlers/esbuild': 'src/bundlers/esbuild.ts',
  'bundlers/webpack': 'src/bundlers/webpack.ts',
  'bundlers/rspack': 'src/bundlers/rspack.ts',
  // Loaded by webpack and Rspack, by their paths.
  'bundlers/webpack-loader': 'src/bundlers/webpack-loader.ts',
  'bundlers/rspack-loader': 'src/bundlers/rspack-loader.ts',
  'bundlers/webpack-stub': 'src/bundlers/webpack-stub.ts',
  'bundlers/rollup': 'src/bundlers/rollup.ts',
  'bundlers/rolldown': 'src/bundlers/rolldown.ts',
  'bundlers/farm': 'src/bundlers/farm.ts',
  'bundlers/bun': 'src/bundlers/bun.ts',
  'bundlers/nuxt': 'src/bundlers/nuxt.ts',
  'providers/index': 'src/providers/index.ts',
  'runtime/index': 'src/runtime/index.ts',
  'runtime/load': 'src/runtime/load.ts',
  'server/index': 'src/server/index.ts',
  'runtime/sealed-edge': 'src/runtime/sealed-edge.ts',
  'runtime/sealed-node': 'src/runtime/sealed-node.ts',
  'testing/index': 'src/testing/index.ts',
  'cli/main': 'src/cli/main.ts',
  'cli/vault-env': 'src/cli/vault-env.ts',
}

/**
 * What goes into other people's servers: one file each. A server's bundler may take a file of this package that
 * another one imports for something to leave outside (Nitro does), and miss it then.
 */
const carried = ['runtime/index', 'runtime/sealed-edge', 'runtime/sealed-node']

/** A program that only wants its variables does not load what a build needs: files of its own. */
const dotenv = { index: 'src/dotenv/index.ts', config: 'src/dotenv/config.ts' }

/** What a start loads in any case: one file, because each costs about a millisecond there, whatever is in it. */
const core = new Set(['src/index.ts', 'src/providers/index.ts'].map((path) => join(root, path)))
/** What a build loads then. A program that only wants its values has no use for it, and reading it takes 3 ms. */
const vite = new Set([join(root, 'src/bundlers/vite.ts')])
/** The same for what every command loads, and what `secrets run` does then: of all commands its start is what people wait for. */
const program = new Set(
  ['src/cli/main.ts', 'src/cli/context.ts', 'src/cli/commands/run.ts', 'src/cli/run/run-task.ts'].map(
    (path) => join(root, path),
  ),
)
const collectCore = {
  name: 'collect-core',
  buildEnd() {
    for (const [files, own] of [
      [core, core],
      [vite, vite],
      [program, [join(root, 'src/cli/main.ts')]],
    ]) {
      const entries = [...own]
      for (const known of files) {
        for (const id of this.getModuleInfo(known)?.importedIds ?? []) {
          if (id.startsWith(join(root, 'src/'))) files.add(id)
        }
      }
      for (const entry of entries) files.delete(entry)
    }
  },
}

/**
 * The text of a file that is read at every start. An import of a module of Node is linked as a file is (2 ms of CPU
 * for all of them), and all that is read is scanned: comments go, names and lines stay, for stacks and for people. One
 * letter that is not Latin would make two bytes of each, and cost as much as the comments.
 */
function startText(name, code, helpers = '') {
  const end = code.search(/^(?!import )/m)
  const imports = code
    .slice(0, end)
    .replace(/^import .* from "\.\/rolldown-runtime\.js";\n/m, '')
    .replace(
      /^import \{(.*)\} from "(node:.*)";$/gm,
      (_, names, from) => `const {${names.replaceAll(' as ', ': ')}} = process.getBuiltinModule("${from}");`,
    )
  const { code: short, errors } = minifySync(name, imports + helpers + code.slice(end), {
    module: true,
    compress: false,
    mangle: false,
    codegen: { removeWhitespace: false },
  })
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join('\n'))
  return short.replace(/[^\x00-\x7f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Rolldown's helpers would be a file of their own (2 ms of CPU). */
const quickStart = {
  name: 'quick-start',
  generateBundle(_, bundle) {
    const helpers = bundle['chunks/rolldown-runtime.js'].code.replace(/^export .*\n?/m, '')
    for (const name of ['core', 'build', 'program']) {
      const chunk = bundle[`chunks/${name}.js`]
      chunk.code = startText(chunk.fileName, chunk.code, helpers)
    }
  },
}

/** What it has of Node, by the same way: a bundle of CommonJS that somebody makes of it has no `import.meta.url`. */
const quickDotenv = {
  name: 'quick-dotenv',
  generateBundle(_, { 'load.js': chunk }) {
    const code = chunk.code.replace(/^import \{ createRequire \} from "node:module";\n/m, '')
    const found = code.replace(/^var __require = .*$/m, 'var __require = process.getBuiltinModule;')
    if (found === code) throw new Error('dotenv asks for the modules of Node in another way now')
    chunk.code = startText(chunk.fileName, found)
  },
}

/** Packages that are part of what we publish; their licences go with them. */
const bundled = ['@noble/ciphers', '@noble/hashes', 'citty', 'picocolors']
/** For a program that only wants its variables, finding it and loading it as CommonJS is the half of its start. */
const bundledInDotenv = 'dotenv'

/**
 * Dependencies are installed beside us; only what is ours is bundled. And noble: it goes into other people's
 * edge bundles, whose bundler may leave a package outside or look for it in the wrong place. And the small ones
 * that every command begins with: they cost three times as much to find and load as to run.
 */
function isPackage(id) {
  const isOurs = bundled.some((name) => id === name || id.startsWith(`${name}/`))
  return /^[^./\0]/.test(id) && !/^[A-Za-z]:/.test(id) && !isOurs
}

rmSync(join(root, 'dist'), { recursive: true, force: true })
const bundle = await rolldown({
  cwd: root,
  input: Object.fromEntries(Object.entries(entries).filter(([name]) => !carried.includes(name))),
  platform: 'node',
  plugins: [collectCore],
  external: isPackage,
})
await bundle.write({
  dir: 'dist',
  format: 'esm',
  entryFileNames: '[name].js',
  // One level deep, like the entries: files find their neighbours by the same relative paths.
  chunkFileNames: 'chunks/[name].js',
  plugins: [quickStart],
  codeSplitting: {
    groups: [
      { name: 'core', test: (id) => core.has(id), priority: 4 },
      { name: 'build', test: (id) => vite.has(id), priority: 3 },
      { name: 'program', test: (id) => program.has(id), priority: 2 },
    ],
  },
})
await bundle.close()

const dropIn = await rolldown({
  cwd: root,
  input: dotenv,
  platform: 'node',
  external: (id) => isPackage(id) && id !== bundledInDotenv,
  // The provider loads late what this entry has anyway.
  checks: { ineffectiveDynamicImport: false },
})
await dropIn.write({
  dir: 'dist/dotenv',
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: '[name].js',
  plugins: [quickDotenv],
  // What opens the cache is one file; what asks the server or writes comes when it is needed.
  codeSplitting: {
    groups: [
      { name: 'load', test: (id) => !/(dotenv.(index|config)|vault-env.client|core.files)\.ts$/.test(id) },
    ],
  },
})
await dropIn.close()

// Bundled once more by whoever deploys it: what a Worker has no use for must not be in it.
const worker = await rolldown({
  cwd: root,
  input: 'src/server/worker.ts',
  platform: 'node',
  external: isPackage,
})
await worker.write({ file: 'dist/server/worker.js', format: 'esm' })
await worker.close()

for (const name of carried) {
  const runtime = await rolldown({ cwd: root, input: entries[name], platform: 'node' })
  await runtime.write({ file: `dist/${name}.js`, format: 'esm' })
  await runtime.close()
}

await import('./page.mjs')

const tsc = spawnSync(
  process.execPath,
  [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'],
  {
    cwd: root,
    stdio: 'inherit',
  },
)
if (tsc.status !== 0) process.exit(tsc.status ?? 1)
cpSync(join(root, 'src/client.d.ts'), join(root, 'dist/client.d.ts'))
writeFileSync(
  join(root, 'dist/LICENSES.md'),
  [...bundled, bundledInDotenv]
    .map((name) => `# ${name}\n\n${readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8')}`)
    .join('\n'),
)
// Declarations keep the `.ts` of their imports; what stands beside them in the package is `.js`.
for (const entry of readdirSync(join(root, 'dist'), { recursive: true, withFileTypes: true })) {
  if (!entry.name.endsWith('.d.ts')) continue
  const file = join(entry.parentPath, entry.name)
  const text = readFileSync(file, 'utf8')
  const fixed = text.replace(/((?:from|import)\s*\(?['"]\.[^'"]*)\.ts(['"])/g, '$1.js$2')
  if (fixed !== text) writeFileSync(file, fixed)
}
