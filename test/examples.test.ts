import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { delimiter, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { scratch } from './support/bao.ts'
import { launchBrowser } from './support/browser.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { filesBelow } from './support/workspace.ts'

// Every example as somebody has it who copied it and ran `npm install`: what the examples import is found in this
// repository's node_modules, the package itself in one built here, and scripts run as npm would run them.
const repository = fileURLToPath(new URL('..', import.meta.url))
const folder = scratch('examples')
const modules = join(folder, 'node_modules')
const values = {
  APP_TITLE: canary('title'),
  MAPS_KEY: canary('maps'),
  API_TOKEN: canary('token'),
  DATABASE_URL: canary('db'),
  STRIPE_KEY: canary('stripe'),
}
type Name = keyof typeof values
const SERVER_VALUES = [values.API_TOKEN, values.DATABASE_URL, values.STRIPE_KEY]
const said: string[] = []

interface Example {
  readonly name: string
  readonly secrets: readonly Name[]
  /** Output file, by its pattern, and the client value that must be in it. */
  readonly client?: readonly (readonly [file: RegExp, name: Name])[]
  /** Where its page is served from. */
  readonly site?: string
  /** Turns the example into one that leaks: a file, what to replace in it, by what. */
  readonly leak: readonly [file: string, from: string | RegExp, to: string]
  /** The secret that the guard names then. */
  readonly denied: RegExp
  /** A script that runs what was built, and what it prints. */
  readonly program?: readonly [script: string, prints: readonly string[]]
  /** What the bundler itself removes before it begins. */
  readonly empties?: RegExp
}
const characters = (name: Name, more = 0): string => `${values[name].length + more} characters`
const deniedImport = /Client code imports virtual:secrets\/server, which holds server secrets\./
const denied = (name: Name): RegExp => new RegExp(`Client code reads ${name}, which is a server secret\\.`)

const examples: Example[] = [
  {
    name: 'vite-react',
    secrets: ['APP_TITLE', 'MAPS_KEY', 'API_TOKEN'],
    client: [
      [/index\.html$/, 'APP_TITLE'],
      [/assets\/.*\.js$/, 'APP_TITLE'],
      [/assets\/.*\.js$/, 'MAPS_KEY'],
    ],
    site: 'dist',
    leak: ['src/App.jsx', 'import.meta.env.APP_TITLE', 'import.meta.env.API_TOKEN'],
    denied: denied('API_TOKEN'),
  },
  {
    name: 'vite-ssr',
    secrets: ['DATABASE_URL', 'MAPS_KEY'],
    client: [[/client\/assets\/.*\.js$/, 'MAPS_KEY']],
    leak: ['src/client.ts', /^/, "import { render } from './render.ts'\nconsole.log(render())\n"],
    denied: deniedImport,
  },
  {
    name: 'webpack-react',
    secrets: ['MAPS_KEY', 'STRIPE_KEY'],
    client: [[/main\.js$/, 'MAPS_KEY']],
    site: '.',
    leak: ['src/App.jsx', '(MAPS_KEY)', '(MAPS_KEY + import.meta.env.STRIPE_KEY)'],
    denied: denied('STRIPE_KEY'),
  },
  {
    name: 'esbuild-node',
    secrets: ['DATABASE_URL', 'API_TOKEN'],
    leak: ['build.js', "'node'", "'browser'"],
    denied: denied('API_TOKEN'),
    program: ['start', [characters('DATABASE_URL'), characters('API_TOKEN')]],
  },
  {
    name: 'rollup-library',
    secrets: ['STRIPE_KEY'],
    leak: ['rollup.config.js', "{ consumer: 'server' }", ''],
    denied: deniedImport,
    program: ['demo', [characters('STRIPE_KEY', 'Bearer '.length)]],
  },
  {
    name: 'rolldown',
    secrets: ['MAPS_KEY', 'DATABASE_URL'],
    client: [[/page\/page\.js$/, 'MAPS_KEY']],
    site: '.',
    leak: ['src/page.ts', '(MAPS_KEY)', '(import.meta.env.DATABASE_URL)'],
    denied: denied('DATABASE_URL'),
    program: ['start', [characters('DATABASE_URL')]],
  },
  {
    name: 'rspack',
    secrets: ['MAPS_KEY', 'DATABASE_URL'],
    client: [[/page\.js$/, 'MAPS_KEY']],
    site: '.',
    leak: ['src/page.js', 'import.meta.env.MAPS_KEY', 'import.meta.env.DATABASE_URL'],
    denied: denied('DATABASE_URL'),
    program: ['start', [characters('DATABASE_URL')]],
  },
  {
    name: 'farm',
    secrets: ['MAPS_KEY', 'DATABASE_URL'],
    client: [[/page\/.*\.js$/, 'MAPS_KEY']],
    site: 'dist/page',
    leak: ['src/page.ts', '(MAPS_KEY)', '(import.meta.env.DATABASE_URL)'],
    denied: denied('DATABASE_URL'),
    program: ['start', [characters('DATABASE_URL')]],
    empties: /^dist\/page\//,
  },
  {
    name: 'bun',
    secrets: ['MAPS_KEY', 'DATABASE_URL'],
    client: [[/\.js$/, 'MAPS_KEY']],
    leak: ['src/page.ts', '(MAPS_KEY)', '(import.meta.env.DATABASE_URL)'],
    denied: denied('DATABASE_URL'),
    program: ['check', [characters('DATABASE_URL')]],
  },
]

const inside = (name: string, file = ''): string => join(folder, name, file)
const read = (name: string, file: string): string => readFileSync(inside(name, file), 'utf8')

/** Starts a command line as npm starts a script: in a shell, with the programs of all packages in its path. */
function start(cwd: string, line: string, env: Record<string, string> = {}): ChildProcess {
  const bins = [join(modules, '.bin'), join(repository, 'node_modules/.bin')]
  return spawn(line, {
    cwd,
    shell: true,
    env: {
      PATH: [...bins, process.env.PATH].join(delimiter),
      HOME: join(folder, 'home'),
      XDG_CONFIG_HOME: join(folder, 'home/config'),
      XDG_CACHE_HOME: join(folder, 'home/cache'),
      NO_COLOR: '1',
      ...env,
    },
  })
}

interface Run {
  readonly code: number | null
  readonly text: string
}

/** Runs a command line to its end. What it prints is searched for values when all is done. */
async function run(cwd: string, line: string, input = ''): Promise<Run> {
  const child = start(cwd, line)
  const output: Buffer[] = []
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (chunk: Buffer) => void output.push(chunk))
  child.stdin!.end(input)
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  const text = Buffer.concat(output).toString()
  said.push(text)
  return { code, text }
}

/** A script of an example's own package.json. */
function script(name: string, key: string): string {
  const { scripts } = JSON.parse(read(name, 'package.json')) as { scripts: Record<string, string> }
  return scripts[key]!
}

async function runScript(name: string, key: string): Promise<Run> {
  return run(inside(name), script(name, key))
}

/** What a build wrote, as paths below the example. */
const built = (name: string): string[] =>
  existsSync(inside(name, 'dist'))
    ? filesBelow(inside(name, 'dist')).map((file) => relative(inside(name), file).replaceAll('\\', '/'))
    : []

beforeAll(async () => {
  // The package by the script that makes the published one, in a place of its own.
  const source = join(folder, 'source')
  for (const path of ['src', 'scripts', 'package.json', 'tsconfig.json', 'tsconfig.build.json'])
    cpSync(join(repository, path), join(source, path), { recursive: true })
  symlinkSync(join(repository, 'node_modules'), join(source, 'node_modules'), 'dir')
  const made = await run(source, 'node scripts/build.mjs')
  expect(made.code, made.text).toBe(0)
  const installed = join(modules, 'unplugin-secrets')
  for (const path of ['dist', 'package.json'])
    cpSync(join(source, path), join(installed, path), { recursive: true })
  mkdirSync(join(modules, '.bin'))
  chmodSync(join(installed, 'dist/cli/main.js'), 0o755)
  symlinkSync('../unplugin-secrets/dist/cli/main.js', join(modules, '.bin/secrets'))
  // Vite 7, which this repository has under another name, may have taken the name of the program.
  symlinkSync(join(repository, 'node_modules/vite/bin/vite.js'), join(modules, '.bin/vite'))

  for (const name of [...examples.map(({ name }) => name), 'vitest']) {
    cpSync(join(repository, 'examples', name), inside(name), {
      recursive: true,
      // What somebody's own run of the example left there.
      filter: (path) => !/[\\/](node_modules|dist|\.cache|\.secrets|secrets-env\.d\.ts)$/.test(path),
    })
  }
})

afterAll(() => {
  expect(canariesIn(said.join('\n'), Object.values(values))).toEqual([])
  expect(canaryFiles(folder, SERVER_VALUES)).toEqual([])
})

it('knows every example', () => {
  // Those of frameworks have packages of their own: test/frameworks.test.ts.
  const frameworks = ['astro', 'next', 'nuxt', 'react-router', 'sveltekit', 'tanstack-start']
  const known = ['custom-provider', ...examples.map(({ name }) => name), ...frameworks, 'vitest'].sort()
  expect(readdirSync(join(repository, 'examples')).sort()).toEqual(known)
})

describe.each(examples)('$name', ({ name, secrets, client = [], site, leak, denied, program, empties }) => {
  it('takes its secrets and builds by the README', async () => {
    const readme = read(name, 'README.md')
    expect(readme).toContain('\nnpm run build')
    for (const secret of secrets) {
      expect(readme).toContain(`\nnpx secrets set ${secret}`)
      const set = await run(inside(name), `secrets set ${secret}`, values[secret])
      expect(set.code, set.text).toBe(0)
    }
    const build = await runScript(name, 'build')
    expect(build.code, build.text).toBe(0)
    const files = built(name)
    expect(files).not.toEqual([])
    for (const [pattern, secret] of client) {
      const text = files.filter((file) => pattern.test(file)).map((file) => read(name, file))
      expect(text.join('\n')).toContain(values[secret])
    }
    expect(canaryFiles(inside(name), SERVER_VALUES)).toEqual([])
  })

  if (site)
    it('shows a browser what browsers may see', async () => {
      const server = createServer((request, response) => {
        const path = request.url === '/' ? '/index.html' : request.url!
        const file = inside(name, join(site, path))
        response.setHeader('content-type', path.endsWith('.js') ? 'text/javascript' : 'text/html')
        response.end(existsSync(file) ? readFileSync(file) : '')
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const browser = await launchBrowser(inject('servers').chromium)
      try {
        const page = await browser.newPage()
        await page.route('https://maps.example.com/**', (route) => route.abort())
        await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
        const source = await page.locator('img').getAttribute('src')
        expect(source).toBe(`https://maps.example.com/static?key=${values.MAPS_KEY}`)
        if (secrets.includes('APP_TITLE')) {
          expect(await page.title()).toBe(values.APP_TITLE)
          expect(await page.locator('h1').textContent()).toBe(values.APP_TITLE)
        }
      } finally {
        await browser.close()
        server.close()
      }
    })

  if (program)
    it('runs what was built through `secrets run`', async () => {
      const [key, prints] = program
      expect(script(name, key)).toMatch(/^secrets run /)
      const ran = await runScript(name, key)
      expect(ran.code, ran.text).toBe(0)
      for (const text of prints) expect(ran.text).toContain(text)
    })

  if (existsSync(join(repository, 'examples', name, 'tsconfig.json')))
    it('type-checks', async () => {
      const checked = await runScript(name, 'typecheck')
      expect(checked.text).toBe('')
      expect(checked.code).toBe(0)
    })

  it('fails, naming the secret, when it is made to leak', async () => {
    const [file, from, to] = leak
    const before = read(name, file)
    const leaking = before.replace(from, to)
    expect(leaking).not.toBe(before)
    const kept = built(name).filter((path) => !empties?.test(path))
    const output = kept.map((path) => [path, read(name, path)])
    await writeFile(inside(name, file), leaking)
    const build = await runScript(name, 'build')
    await writeFile(inside(name, file), before)
    expect(build.code).toBe(1)
    expect(build.text).toMatch(denied)
    expect(canaryFiles(inside(name), SERVER_VALUES)).toEqual([])
    expect(built(name).map((path) => [path, read(name, path)])).toEqual(output)
  })
})

it.each(['forks', 'threads', 'vmThreads'])('has its values under Vitest, in %s', async (pool) => {
  for (const secret of ['DATABASE_URL', 'MAPS_KEY'] as const) {
    expect(read('vitest', 'README.md')).toContain(`\nnpx secrets set ${secret}`)
    expect((await run(inside('vitest'), `secrets set ${secret}`, values[secret])).code).toBe(0)
  }
  const ran = await run(inside('vitest'), `${script('vitest', 'test')} --pool ${pool}`)
  expect(ran.code, ran.text).toBe(0)
  expect(ran.text).toMatch(/Tests {2}3 passed/)
})

it('answers no changed value from the cache of webpack-react', async () => {
  const name = 'webpack-react'
  const other = canary('maps')
  expect(filesBelow(inside(name, '.cache'))).not.toEqual([])
  expect((await run(inside(name), 'secrets set MAPS_KEY', other)).code).toBe(0)
  const build = await runScript(name, 'build')
  expect(build.code, build.text).toBe(0)
  expect(canariesIn(build.text, [other])).toEqual([])
  expect(canariesIn(read(name, 'dist/main.js'), [values.MAPS_KEY, other])).toEqual([1])
})

it('serves the page of vite-ssr with what the server made of its secret', async () => {
  const child = start(inside('vite-ssr'), `exec ${script('vite-ssr', 'start')}`, { PORT: '0' })
  try {
    let text = ''
    const url = await new Promise<string>((resolve, reject) => {
      for (const stream of [child.stdout!, child.stderr!])
        stream.on('data', (chunk: Buffer) => {
          text += chunk
          const found = /http:\/\/127\.0\.0\.1:\d+\//.exec(text)
          if (found) resolve(found[0])
        })
      child.on('close', () => reject(new Error(text)))
    })
    const page = await (await fetch(url)).text()
    said.push(text, page)
    expect(page).toContain(characters('DATABASE_URL'))
    const asset = /src="\/(assets\/[^"]+\.js)"/.exec(page)![1]!
    expect(await (await fetch(url + asset)).text()).toContain(values.MAPS_KEY)
    expect((await fetch(`${url}assets/..%2f..%2fserver/server.js`)).status).toBe(404)
  } finally {
    const closed = new Promise((resolve) => child.on('close', resolve))
    child.kill()
    await closed
  }
})
