import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canariesIn, canary } from './support/canary.ts'
import { FrameworkExample, prepareFrameworks } from './support/frameworks.ts'

// Every example of a framework as somebody has it who copied it and ran `npm install`: built, made to leak in two
// ways, started, and developed with. One after the other: each of them keeps both cores busy.
const MAPS_KEY = canary('maps')
const DATABASE_URL = canary('db')
/** What the server makes of its secret. */
const described = `an address of ${DATABASE_URL.length} characters`

interface Framework {
  readonly name: string
  /** Built files for browsers; at least one holds the client's value. */
  readonly client: RegExp
  /** The page that the build rendered. */
  readonly prerendered: string
  /** Starts its dev server at `$PORT`. */
  readonly dev: string
  /** Code of browsers: what stands there before, and what reads a server's secret in its place, twice. */
  readonly leak: readonly [file: string, from: string, to: string]
  /** Server code whose text goes into the prerendered page. */
  readonly describes: string
  /** Output folders, which are removed after a page was rendered with a value in it. */
  readonly outputs: readonly string[]
}

const both = (file: string): Framework['leak'] => [
  file,
  'virtual:secrets/client',
  "virtual:secrets/client'\nimport { DATABASE_URL as url } from 'virtual:secrets/server'\nconsole.log(url, import.meta.env.DATABASE_URL)\n;'",
]

const frameworks: Framework[] = [
  {
    name: 'sveltekit',
    client: /build\/client\/_app\/.*\.js$/,
    prerendered: 'build/prerendered/about.html',
    dev: 'vite dev --port $PORT',
    leak: both('src/lib/StaticMap.svelte'),
    describes: 'src/lib/database.server.js',
    outputs: ['build', '.svelte-kit'],
  },
  {
    name: 'astro',
    // A short script stands in the page itself, which the server renders.
    client: /dist\/server\/.*\.mjs$/,
    prerendered: 'dist/client/about/index.html',
    dev: 'astro dev --port $PORT',
    leak: both('src/pages/index.astro'),
    describes: 'src/lib/database.js',
    outputs: ['dist'],
  },
  {
    name: 'react-router',
    client: /build\/client\/assets\/.*\.js$/,
    prerendered: 'build/client/about/index.html',
    dev: 'react-router dev --port $PORT',
    leak: both('app/StaticMap.jsx'),
    describes: 'app/routes/about.jsx',
    outputs: ['build'],
  },
  {
    name: 'tanstack-start',
    client: /dist\/client\/assets\/.*\.js$/,
    prerendered: 'dist/client/about/index.html',
    dev: 'vite dev --port $PORT',
    leak: both('src/StaticMap.jsx'),
    describes: 'src/database.js',
    outputs: ['dist'],
  },
  {
    name: 'nuxt',
    client: /\.output\/public\/_nuxt\/.*\.js$/,
    prerendered: '.output/public/about/index.html',
    dev: 'nuxt dev --port $PORT',
    leak: both('app/components/StaticMap.vue'),
    describes: 'server/api/orders.js',
    outputs: ['.output', '.nuxt', 'node_modules/.cache'],
  },
  {
    name: 'next',
    client: /\.next\/static\/.*\.js$/,
    prerendered: '.next/server/app/about.html',
    dev: 'next dev --webpack -p $PORT',
    leak: both('app/StaticMap.jsx'),
    describes: 'lib/database.js',
    outputs: ['.next'],
  },
]

beforeAll(prepareFrameworks, 300_000)

describe.each(frameworks)('$name', ({ name, client, prerendered, dev, leak, describes, outputs }) => {
  const example = new FrameworkExample(name)
  const build = () => example.run(example.script('build'))
  /** What its own text says of the page, however a framework marks it up. */
  const textOf = (page: string): string => page.replaceAll('<!-- -->', '')

  beforeAll(async () => {
    await example.install()
    for (const [secret, value] of Object.entries({ MAPS_KEY, DATABASE_URL })) {
      expect(example.read('README.md')).toContain(`\nnpx secrets set ${secret}`)
      const set = await example.run(`secrets set ${secret}`, value)
      expect(set.code, set.text).toBe(0)
    }
  }, 300_000)

  afterAll(() => {
    expect(canariesIn(example.said.join('\n'), [DATABASE_URL])).toEqual([])
    expect(example.holding([DATABASE_URL])).toEqual([])
  })

  it('builds with the value of browsers in their files, and that of the server in none', async () => {
    const { code, text } = await build()
    expect(code, text).toBe(0)
    const files = example.holding([MAPS_KEY]).map((file) => file.replaceAll('\\', '/'))
    expect(files.filter((file) => client.test(file))).not.toEqual([])
    expect(textOf(example.read(prerendered))).toContain(described)
    expect(example.holding([DATABASE_URL])).toEqual([])
    expect(canariesIn(text, [MAPS_KEY, DATABASE_URL])).toEqual([])
  }, 300_000)

  it('serves what was built, through `secrets run`', async () => {
    expect(example.script('start')).toMatch(/^secrets run /)
    await example.serving(example.script('start'), async (get) => {
      const page = textOf(await get('/'))
      expect(page).toContain(described)
      // By import.meta.env; Astro's script sets it in the browser.
      if (name === 'astro') expect(page).toContain(MAPS_KEY)
      else expect(page).toContain(`data-key="${MAPS_KEY}"`)
      expect(JSON.parse(await get('/api/orders'))).toEqual({ database: described })
    })
  })

  it('develops', async () => {
    await example.serving(dev, async (get) => {
      expect(textOf(await get('/'))).toContain(described)
      expect(JSON.parse(await get('/api/orders'))).toEqual({ database: described })
    })
    expect(example.holding([DATABASE_URL])).toEqual([])
  }, 300_000)

  it('fails when code of browsers asks for a server secret', async () => {
    const [file, from, to] = leak
    const before = example.read(file)
    expect(before).toContain(from)
    example.write(file, before.replace(from, to))
    const { code, text } = await build()
    example.write(file, before)
    expect(code).not.toBe(0)
    expect(text).toMatch(/Client code imports virtual:secrets\/server, which holds server secrets\./)
    expect(text).toMatch(/Client code reads DATABASE_URL, which is a server secret\./)
    expect(text).toContain(file.split('/').at(-1))
    expect(example.holding([DATABASE_URL])).toEqual([])
  }, 300_000)

  it('fails when a page was rendered with a value in it', async () => {
    const before = example.read(describes)
    example.write(describes, before.replace('DATABASE_URL.length', 'DATABASE_URL'))
    const { code, text } = await build()
    example.write(describes, before)
    expect(code).not.toBe(0)
    expect(text).toMatch(/DATABASE_URL\s.*\.(?:html|data|json|rsc|body)/)
    expect(example.holding([DATABASE_URL]).some((path) => path.includes('about'))).toBe(true)
    example.remove(outputs)
  }, 300_000)
})
