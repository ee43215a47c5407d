import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { interpreter } from 'rolldown/filter'
import { build, type Plugin } from 'vite'
import { afterEach, describe, expect, it } from 'vitest'
import { otherReads } from '../src/bundlers/reads-patterns.ts'
import rolldownSecrets from '../src/bundlers/rolldown.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { fromLocal, makeProject, type Project, viteConfig } from './support/project.ts'
import { filesBelow } from './support/workspace.ts'

/** What stays on the bundler's own side where it replaces reads itself, and what comes to JavaScript. */
describe('modules that come to JavaScript', () => {
  const names = ['API_URL', 'TITLE', 'DB_PASSWORD', 'odd-name']
  const expr = otherReads(names, new Set(['API_URL', 'TITLE']), /^never$/)
  const filter = [{ kind: 'include', expr }] as unknown as Parameters<typeof interpreter>[0]
  const comes = (code: string) => interpreter(filter, code, 'main.js')

  it.each([
    'console.log(import.meta.env.API_URL)',
    'import.meta.env.API_URL',
    'f(import . meta\n  .env . API_URL, 1)',
    'const all = [import.meta.env.API_URL, import.meta.env.TITLE]\n',
    'if (import.meta.env.API_URL === "x" || import.meta.env.TITLE !== "y") {}',
    'const url = `${import.meta.env.API_URL}/v1?${import.meta.env.TITLE.length}`',
    'const on = import.meta.env.API_URL ? 1 : 2',
    'const url = import.meta.env.API_URL as string; const more = f(import.meta.env.TITLE! as string)',
    'import { API_URL } from "virtual:secrets/client"; export { API_URL }',
    'if (import.meta.hot) import.meta.hot.accept()\nuse(import.meta.env.API_URL, import.meta.url)',
    'const env = import.meta.env; use(env.MODE)',
    'use(import.meta.env?.MODE)',
  ])('not for: %s', (code) => {
    expect(comes(code)).toBe(false)
  })

  it.each([
    'use(import.meta.env?.API_URL)',
    'use(import.meta?.env.API_URL)',
    'use(import.meta.env["API_URL"])',
    'use(import.meta["env"].API_URL)',
    'use((import.meta.env).API_URL)',
    'use((import.meta.env as Env).API_URL)',
    'use(import.meta.env!.API_URL)',
    'use(import.meta.env /* here */ .API_URL)',
    'use(import /* here */ .meta.env, "API_URL")',
    'use(import. /* here */ meta.env, "API_URL")',
    'use(import.meta. /* here */ env, "API_URL")',
    'const { API_URL } = import.meta.env',
    'const { env: { API_URL } } = import.meta',
    'const { env } = import.meta; use(env.API_URL)',
    'const env = import.meta.env\nuse(env.API_URL)',
    'use("API_URL" in import.meta.env)',
    'const API_URL = "API_URL"; use(API_URL, import.meta.env)',
    'export const env = import.meta.env; "API_URL"',
    '"API_URL"; export default import.meta.env',
    'import.meta.env.API_URL = 1',
    'import.meta.env.API_URL ??= 1',
    'import.meta.env.API_URL >>>= 1',
    'import.meta.env.API_URL++',
    '--import.meta.env.API_URL',
    'delete import.meta.env.API_URL',
    'delete (import.meta.env.API_URL)',
    '(import.meta.env.API_URL) = 1',
    '(import.meta.env.API_URL as any) = 1',
    'import.meta.env.API_URL! = 1',
    '[import.meta.env.API_URL] = [1]',
    '({ a: import.meta.env.API_URL } = { a: 1 })',
    '[{ a: [import.meta.env.API_URL, b] }] = list',
    'for (import.meta.env.API_URL of list) {}',
    'for ([import.meta.env.API_URL] of list) {}',
    'use(import.meta.env.DB_PASSWORD)',
    'import { DB_PASSWORD } from "virtual:secrets/client"',
    'use(import.meta.env["odd-name"])',
    'use(import.meta.env[key])',
  ])('for: %s', (code) => {
    expect(comes(code)).toBe(true)
  })
})

describe('reads that the bundler replaces', () => {
  const API_URL = canary('api')
  const DB_PASSWORD = canary('db')
  let project: Project
  const config = () => fromLocal(['API_URL', 'DB_PASSWORD'], { client: ['API_URL'] })
  const app = async (): Promise<void> => {
    project = await makeProject(
      {
        'index.html': '<script type="module" src="/src/main.js"></script>',
        'src/main.js': `import './other.ts'; import { theirs } from 'dependency'
          globalThis.seen.push(['plain', import.meta.env.API_URL], ['theirs', theirs])`,
        'src/other.ts': `const __secret_0: string = 'own'
          globalThis.seen.push(['optional', import.meta.env?.API_URL as string], ['own', __secret_0])`,
        'node_modules/dependency/package.json':
          '{ "name": "dependency", "type": "module", "exports": "./index.js" }',
        'node_modules/dependency/index.js': 'export const theirs = typeof import.meta.env.API_URL',
      },
      { API_URL, DB_PASSWORD },
    )
  }
  const emitted = (): string =>
    filesBelow(join(project.root, 'dist'))
      .filter((file) => file.endsWith('.js'))
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n')
  const run = (): unknown => {
    const seen: unknown[] = []
    // Without an import or export of its own the output is a script.
    new Function('globalThis', emitted().replace(/^\s*export\s*\{\s*\};?\s*$/gm, ''))({ seen })
    return Object.fromEntries(seen as [string, unknown][])
  }
  /** The modules that came to our transform. */
  const watched = (plugin: { transform?: unknown }): string[] => {
    const came: string[] = []
    const { transform } = plugin as { transform: { handler: (...args: unknown[]) => unknown } }
    const { handler } = transform
    transform.handler = function (this: unknown, ...args) {
      came.push(String(args[1]).replace(/^.*\//, ''))
      return handler.apply(this, args)
    }
    return came
  }
  const expected = { plain: API_URL, theirs: 'undefined', optional: API_URL, own: 'own' }

  afterEach(() => {
    expect(canariesIn(project.output.join('\n'), [API_URL, DB_PASSWORD])).toEqual([])
    expect(canaryFiles(join(project.root, '..'), [DB_PASSWORD])).toEqual([])
    project.remove()
  })

  it('mean the same in Rolldown, and nothing in packages', async () => {
    await app()
    const plugin = rolldownSecrets({ ...config(), root: project.root })
    const came = watched(plugin)
    const bundle = await rolldown({
      cwd: project.root,
      input: 'src/main.js',
      plugins: [plugin],
      onLog: (_, { message }) => void project.output.push(message),
    })
    await bundle.write({ dir: 'dist' })
    await bundle.close()
    expect(run()).toEqual(expected)
    expect(came).toEqual(['other.ts'])
  })

  it('mean the same in Vite, in workers too', async () => {
    await app()
    project.write({
      'src/worker.js': 'postMessage(import.meta.env.API_URL)',
      'src/main.js': `${readFileSync(join(project.root, 'src/main.js'), 'utf8')}
        globalThis.start = () => new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })`,
    })
    const given = viteConfig(project, config(), {
      build: { minify: false, modulePreload: false, rolldownOptions: { output: { format: 'iife' } } },
    })
    const came = watched(given.plugins!.at(-1) as Plugin)
    await build(given)
    const worker = filesBelow(join(project.root, 'dist')).find((file) => /worker-.*\.js$/.test(file))!
    expect(readFileSync(worker, 'utf8')).toContain(API_URL)
    expect(emitted()).not.toContain('__unplugin_secrets')
    expect(came).toEqual(['other.ts'])
  })

  describe('imports of these in Vite', () => {
    const buildApp = async (options: Parameters<typeof viteConfig>[2] = {}): Promise<void> => {
      await build(
        viteConfig(project, config(), {
          ...options,
          build: { minify: false, modulePreload: false, rolldownOptions: { output: { format: 'iife' } } },
        }),
      )
      // Vite warns about ids that it cannot make anything of.
      expect(project.output.filter((line) => line.includes('virtual:'))).toEqual([])
    }
    const importing = async (): Promise<void> => {
      await app()
      project.write({
        'src/other.ts': `import { API_URL } from 'virtual:secrets/client'
          globalThis.seen.push(['imported', API_URL], ['own', import.meta.env.API_URL])`,
        'src/unused.js': "import { API_URL } from 'virtual:secrets/client'",
      })
    }

    it('are the same values, and nothing is said of them', async () => {
      await importing()
      await buildApp()
      expect(run()).toEqual({ plain: API_URL, theirs: 'undefined', imported: API_URL, own: API_URL })
    })

    it('leave nothing where nothing is used', async () => {
      await importing()
      project.write({ 'src/main.js': "import './unused.js'; globalThis.seen.push(['done', 1])" })
      await buildApp()
      expect(run()).toEqual({ done: 1 })
      expect(emitted()).not.toContain(API_URL)
    })

    it("give way to the user's alias", async () => {
      await importing()
      project.write({ 'src/mock.js': "export const API_URL = 'mocked'" })
      const replacement = join(project.root, 'src/mock.js')
      await buildApp({ resolve: { alias: [{ find: 'virtual:secrets/client', replacement }] } })
      expect(run()).toEqual({ plain: API_URL, theirs: 'undefined', imported: 'mocked', own: API_URL })
    })
  })
})
