import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { createBuilder, type Plugin } from 'vite'
import { afterEach, expect, it, vi } from 'vitest'
import secrets from '../src/bundlers/vite.ts'
import { defineProvider } from '../src/index.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { buildApp, buildClient, failure, fromLocal, makeProject, type Project } from './support/project.ts'

// What frameworks do with the plugin, each thing by itself; test/frameworks.test.ts has the frameworks.
const DATABASE_URL = canary('db')
let project: Project

afterEach(() => {
  expect(canariesIn(project.output.join('\n'), [DATABASE_URL])).toEqual([])
  project.remove()
  vi.unstubAllEnvs()
})

const files = {
  'index.html': '<script type="module" src="/src/main.ts"></script>',
  'src/main.ts': 'console.log("page")',
  'src/server.ts':
    "import { DATABASE_URL } from 'virtual:secrets/server'\nexport const size = () => DATABASE_URL.length",
}

it('gives the values of a build to the threads in which a framework renders', async () => {
  project = await makeProject(files, {})
  // One that a built server could not make again, so the values can come from nowhere else.
  const own = defineProvider(() => ({
    type: 'own',
    location: '',
    cached: false,
    read: async (requests) => requests.map(() => ({ value: DATABASE_URL })),
  }))
  await buildApp(project, { providers: { own: own() }, secrets: { DATABASE_URL: 'own:DATABASE_URL' } })
  const script = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData).then(({ size }) => parentPort.postMessage(size()))`
  const worker = new Worker(script, { eval: true, workerData: join(project.root, 'dist/server/server.js') })
  const size = await new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  expect(size).toBe(DATABASE_URL.length)
  expect(canaryFiles(project.root, [DATABASE_URL])).toEqual([])
})

it('searches pages that are written when every bundle is complete', async () => {
  project = await makeProject(files, { DATABASE_URL })
  const pages = (text: string): Plugin => ({
    name: 'pages',
    enforce: 'post',
    config: () => ({
      builder: {
        async buildApp(builder) {
          for (const environment of Object.values(builder.environments)) await builder.build(environment)
        },
      },
    }),
    buildApp: {
      order: 'post',
      async handler() {
        mkdirSync(join(project.root, 'dist/client/about'), { recursive: true })
        writeFileSync(join(project.root, 'dist/client/about/index.html'), `<p>${text}</p>`)
      },
    },
  })
  await buildApp(project, fromLocal(['DATABASE_URL']), { plugins: [pages('no value')] })
  const message = await failure(
    buildApp(project, fromLocal(['DATABASE_URL']), { plugins: [pages(DATABASE_URL)] }),
  )
  expect(message).toMatch(/DATABASE_URL {2}dist\/client\/about\/index\.html:1:4 {2}plain/)
  expect(canariesIn(message, [DATABASE_URL])).toEqual([])
})

it('guards as a deep copy, which is what some frameworks give to Vite', async () => {
  project = await makeProject(
    { ...files, 'src/main.ts': 'console.log(import.meta.env.DATABASE_URL)' },
    { DATABASE_URL },
  )
  const copy = <T>(value: T): T => {
    if (Array.isArray(value)) return value.map(copy) as T
    if (typeof value !== 'object' || value === null || value instanceof RegExp) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copy(item)])) as T
  }
  const plugin = copy(secrets(fromLocal(['DATABASE_URL'])))
  const builder = await createBuilder({
    root: project.root,
    configFile: false,
    customLogger: project.logger,
    plugins: [plugin],
  })
  expect(await failure(builder.buildApp())).toContain('Client code reads DATABASE_URL')
  await expect(buildClient(project, fromLocal(['DATABASE_URL']))).rejects.toThrow('Client code reads')
})
