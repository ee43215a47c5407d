import { Buffer } from 'node:buffer'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BuildOptions, build, context, type Plugin, type PluginBuild } from 'esbuild'
import { afterEach, describe, expect, it, vi } from 'vitest'
import secrets from '../../src/bundlers/esbuild.ts'
import { local } from '../../src/providers/index.ts'
import { canariesIn, canary } from '../support/canary.ts'
import { failure, fromLocal, makeProject, type Project } from '../support/project.ts'
import { contextFor } from '../support/workspace.ts'
import { conformance } from './conformance.ts'
import type { BundlerHarness, BuildOptions as Case } from './harness.ts'

function optionsOf(project: Project, options: Case): BuildOptions {
  const { format = 'es', outDir = 'dist', minify = false, sourcemap = false } = options
  const isEs = format === 'es'
  return {
    absWorkingDir: project.root,
    entryPoints: [options.entry],
    bundle: true,
    outdir: outDir,
    format: isEs ? 'esm' : 'cjs',
    outExtension: isEs ? {} : { '.js': '.cjs' },
    platform: options.consumer === 'server' ? 'node' : 'browser',
    target: 'esnext',
    splitting: isEs && (options.splitting ?? true),
    minify,
    sourcemap,
    alias: { ...options.alias },
    logLevel: 'silent',
    plugins: [...((options.plugins ?? []) as Plugin[]), secrets(options.config)],
  }
}

const esbuild: BundlerHarness = {
  name: 'esbuild',
  async build(project, options) {
    const { warnings } = await build(optionsOf(project, options))
    project.output.push(...warnings.map(({ text }) => text))
  },
  watch(project, options) {
    const ended: (string | undefined)[] = []
    let wake = (): void => {}
    const tell: Plugin = {
      name: 'tell',
      setup({ onEnd }) {
        onEnd(({ errors }) => {
          ended.push(errors[0]?.text)
          wake()
        })
      },
    }
    const given = optionsOf(project, options)
    const started = context({ ...given, plugins: [...given.plugins!, tell] }).then(async (made) => {
      await made.watch()
      return made
    })
    return {
      async next() {
        await started
        while (ended.length === 0) await new Promise<void>((done) => (wake = done))
        const [error] = ended.splice(0).slice(-1)
        if (error !== undefined) throw new Error(error)
      },
      forget: () => void ended.splice(0),
      close: async () => (await started).dispose(),
    }
  },
}

// A broken map of a source is an error of its own.
conformance(esbuild, { sealed: true, manifest: true, brokenMaps: false })

describe('esbuild alone', () => {
  const MAPS_KEY = canary('maps')
  const TITLE = canary('title')
  const DATABASE_URL = canary('db')
  const config = (more = {}) =>
    fromLocal(['DATABASE_URL', 'MAPS_KEY', 'TITLE'], { client: ['MAPS_KEY', 'TITLE'], ...more })
  let project: Project
  const errors: string[] = []
  const app = async (files: Record<string, string>): Promise<void> => {
    project = await makeProject(files, { DATABASE_URL, MAPS_KEY, TITLE })
  }
  const given = (more: BuildOptions = {}): BuildOptions => ({
    absWorkingDir: project.root,
    entryPoints: ['src/main.ts'],
    bundle: true,
    format: 'esm',
    outdir: 'dist',
    logLevel: 'silent',
    plugins: [secrets(config())],
    ...more,
  })
  const refused = async (more: BuildOptions = {}): Promise<string> => {
    const text = await failure(build(given(more)))
    errors.push(text)
    expect(existsSync(join(project.root, 'dist'))).toBe(false)
    return text
  }
  const run = (file = 'dist/main.js'): unknown =>
    JSON.parse(execFileSync(process.execPath, [join(project.root, file)], { encoding: 'utf8' }))
  afterEach(() => {
    expect(canariesIn(errors.join('\n'), [DATABASE_URL, MAPS_KEY, TITLE])).toEqual([])
    project.remove()
    vi.unstubAllEnvs()
  })

  it('reads through JSX and types, with places in the author’s own text', async () => {
    await app({
      'src/main.ts': `import { page } from './page.tsx'\nconsole.log(JSON.stringify(page))`,
      'src/page.tsx': `
        const h = (...all: unknown[]): unknown => all
        type Env = { MAPS_KEY: string; TITLE?: string }
        const { MAPS_KEY: key = 'none', ...rest }: Env = import.meta.env as Env
        export const page = <p title={import.meta.env.TITLE}>it's {key} isn't {typeof rest}</p>`,
    })
    await build(given({ jsxFactory: 'h', tsconfigRaw: '{}' }))
    expect(run()).toEqual(['p', { title: TITLE }, "it's ", MAPS_KEY, " isn't ", 'object'])
    project.write({
      'src/page.tsx': `export const page: string[] = [
  <p>it's {import.meta.env.DATABASE_URL} isn't</p> as never,
]`,
    })
    rmSync(join(project.root, 'dist'), { recursive: true })
    const text = await refused({ jsxFactory: 'h' })
    expect(text).toMatch(/reads DATABASE_URL.*src\/page\.tsx:2:12\n\s+imported by src\/main\.ts \(entry\)/s)
  })

  it('takes the object apart in a module outside the root, in another pass', async () => {
    await app({
      'src/main.ts': `import { key } from '../../shared/index.ts'\nconsole.log(JSON.stringify(key))`,
    })
    mkdirSync(join(project.folder, 'shared'))
    writeFileSync(
      join(project.folder, 'shared/index.ts'),
      `const { TITLE }: { TITLE: string } = import.meta.env\nexport const key = [TITLE, import.meta.env.MAPS_KEY]`,
    )
    const { metafile } = await build(given({ metafile: true }))
    expect(run()).toEqual([TITLE, MAPS_KEY])
    expect(Object.keys(metafile!.outputs)).toEqual(['dist/main.js'])
  })

  it('gives a client the names that stand in sources, not those that other words contain', async () => {
    await app({
      'src/main.ts': `console.log(JSON.stringify(import.meta.env.MAPS_KEY)) // import.meta.env SUBTITLE TITLES $TITLE`,
    })
    await build(given())
    expect(run()).toBe(MAPS_KEY)
    expect(readFileSync(join(project.root, 'dist/main.js'), 'utf8')).not.toContain(TITLE)
  })

  it('explains what it cannot take apart', async () => {
    await app({ 'src/main.ts': `const { MAPS_KEY } = (import.meta as any).env\nconsole.log(MAPS_KEY)` })
    expect(await refused()).toMatch(/used as a whole.*Read import\.meta\.env\.MAPS_KEY directly/s)
  })

  it('works in iife and cjs, from stdin, to memory', async () => {
    await app({})
    const code = `const { MAPS_KEY } = import.meta.env; console.log(JSON.stringify([MAPS_KEY, import.meta.env.TITLE]))`
    const stdin = { contents: code.replace(/const.*?; /, '').replace('MAPS_KEY', 'import.meta.env.MAPS_KEY') }
    for (const format of ['iife', 'cjs'] as const) {
      const result = await build({ ...given({ format, write: false, stdin }), entryPoints: [] })
      expect(existsSync(join(project.root, 'dist'))).toBe(false)
      expect(result.metafile).toBeUndefined()
      const [file] = result.outputFiles!
      expect(JSON.parse(execFileSync(process.execPath, ['-e', file!.text], { encoding: 'utf8' }))).toEqual([
        MAPS_KEY,
        TITLE,
      ])
    }
    const text = await failure(
      build({ ...given({ stdin: { contents: 'import.meta.env.DATABASE_URL' } }), entryPoints: [] }),
    )
    expect(text).toContain('Client code reads DATABASE_URL')
  })

  it('denies a read in what another plugin makes', async () => {
    await app({
      'src/main.ts': `import './App.vue'`,
      'src/App.vue': `<script>import.meta.env.DATABASE_URL</script>`,
    })
    const vue: Plugin = {
      name: 'vue',
      setup({ onLoad }) {
        onLoad({ filter: /\.vue$/ }, ({ path }) => ({
          contents: `console.log(${/<script>(.*)<\/script>/.exec(readFileSync(path, 'utf8'))![1]})`,
        }))
      },
    }
    expect(await refused({ plugins: [secrets(config()), vue] })).toMatch(
      /reads DATABASE_URL.*src\/App\.vue:1:25/s,
    )
  })

  it('keeps what the user defines and injects', async () => {
    await app({
      'src/main.ts': `console.log(JSON.stringify([import.meta.env.MODE, import.meta.env.MAPS_KEY, VERSION, added]))`,
      'src/added.js': `export const added = 'added'`,
    })
    const define = { 'import.meta.env.MODE': '"production"', VERSION: '3' }
    await build(given({ define, inject: [join(project.root, 'src/added.js')] }))
    expect(run()).toEqual(['production', MAPS_KEY, 3, 'added'])
  })

  it('builds again with new values and new sources, and forgets what was mended', async () => {
    await app({ 'src/main.ts': `console.log(JSON.stringify(import.meta.env.MAPS_KEY))` })
    const made = await context(given())
    try {
      await made.rebuild()
      expect(run()).toBe(MAPS_KEY)
      const rotated = canary('rotated')
      await local().write!({ path: 'MAPS_KEY', value: rotated }, contextFor(project.root))
      await made.rebuild()
      expect(run()).toBe(rotated)
      project.write({ 'src/main.ts': `console.log(import.meta.env.DATABASE_URL)` })
      expect(await failure(made.rebuild())).toContain('Client code reads DATABASE_URL')
      expect(run()).toBe(rotated)
      const more = `import './more.ts'\nconst { TITLE } = import.meta.env; console.log(JSON.stringify(TITLE))`
      project.write({ 'src/main.ts': more, 'src/more.ts': `globalThis.key = import.meta.env.MAPS_KEY` })
      await made.rebuild()
      expect(run()).toBe(TITLE)
    } finally {
      await made.dispose()
    }
  })

  it('waits for the end of its process once, however many builds there are', async () => {
    await app({ 'src/main.ts': `console.log(JSON.stringify(import.meta.env.MAPS_KEY))` })
    await build(given())
    const waiting = process.listenerCount('exit')
    for (let round = 0; round < 3; round++) await build(given())
    expect(process.listenerCount('exit')).toBe(waiting)
    expect(run()).toBe(MAPS_KEY)
  })

  it('serves what was scanned, and an error instead of a leak', async () => {
    await app({ 'src/main.ts': `const { MAPS_KEY } = import.meta.env; console.log(MAPS_KEY)` })
    const made = await context(given())
    try {
      const { port } = await made.serve({ host: '127.0.0.1', port: 0 })
      const get = () => fetch(`http://127.0.0.1:${port}/main.js`)
      const first = await get()
      expect([first.status, await first.text()]).toEqual([200, expect.stringContaining(MAPS_KEY)])
      project.write({ 'src/main.ts': `console.log(${JSON.stringify(DATABASE_URL)})` })
      let second = await get()
      // For a moment the last build is good enough for esbuild.
      while (second.status === 200 && (await second.text()).includes(MAPS_KEY)) second = await get()
      const text = await second.text()
      expect([second.status, canariesIn(text, [DATABASE_URL])]).toEqual([503, []])
    } finally {
      await made.dispose()
    }
  })

  it('serves linked packages of the workspace too, and says what it cannot serve', async () => {
    const apart = (name: string): string =>
      `const { ${name}: value } = import.meta.env; console.log(JSON.stringify(value))`
    await app({ 'src/main.ts': `import 'pack'`, 'package.json': '{ "dependencies": { "pack": "*" } }' })
    const pack = join(project.folder, 'packages/pack')
    mkdirSync(pack, { recursive: true })
    mkdirSync(join(project.root, 'node_modules'), { recursive: true })
    writeFileSync(join(pack, 'package.json'), '{ "name": "pack", "type": "module", "main": "i.js" }')
    writeFileSync(join(pack, 'i.js'), apart('MAPS_KEY'))
    symlinkSync(pack, join(project.root, 'node_modules/pack'), 'dir')
    const warned: string[] = []
    const listener = {
      name: 'listener',
      setup: (build: PluginBuild) =>
        build.onEnd(({ warnings }) => void warned.push(...warnings.map(({ text }) => text))),
    }
    const made = await context(given({ plugins: [...given().plugins!, listener] }))
    try {
      const { port } = await made.serve({ host: '127.0.0.1', port: 0 })
      const served = async () => (await fetch(`http://127.0.0.1:${port}/main.js`)).text()
      expect(await served()).toContain(MAPS_KEY)
      expect(warned).toEqual([])
      project.write({ 'src/main.ts': apart('TITLE') })
      await made.rebuild()
      expect(run()).toBe(TITLE)
      await made.rebuild()
      expect(warned.filter((text) => text.includes('taken apart in src/main.ts'))).toHaveLength(1)
    } finally {
      await made.dispose()
    }
  })

  it('says that it needs bundle: true', async () => {
    await app({ 'src/main.ts': '' })
    expect(await refused({ bundle: false })).toContain('Without `bundle: true`')
  })

  it('quotes no module of its own in a source map, inline or not', async () => {
    await app({ 'src/main.ts': `console.log(import.meta.env.MAPS_KEY)` })
    for (const sourcemap of ['inline', 'linked'] as const) {
      const { outputFiles } = await build(given({ sourcemap, write: false }))
      const map = /base64,([\w+/=]+)/.exec(outputFiles![0]!.text)
      const text = map
        ? Buffer.from(map[1]!, 'base64').toString()
        : outputFiles!.find(({ path }) => path.endsWith('.map'))!.text
      expect(text).toContain('console.log(import.meta.env.MAPS_KEY)')
      expect(canariesIn(text, [MAPS_KEY, TITLE])).toEqual([])
    }
  })
})
