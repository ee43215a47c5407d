import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build, createServer, type InlineConfig } from 'vite7'
import { afterEach, expect, it, vi } from 'vitest'
import { canariesIn, canary } from './support/canary.ts'
import { failure, fromLocal, makeProject, type Project, viteConfig } from './support/project.ts'
import { filesBelow } from './support/workspace.ts'

// Vite 7 bundles with Rollup, whose hooks differ in what they know when; the promises are the same.
const DATABASE_URL = canary('db')
const MAPS_KEY = canary('maps')
const files = {
  'index.html': '<!doctype html><title>%MAPS_KEY%</title><script type="module" src="/src/main.ts"></script>',
  'src/main.ts': `import { MAPS_KEY } from 'virtual:secrets/client'; console.log(MAPS_KEY, import.meta.env.MAPS_KEY)`,
}
const config = () => fromLocal(['DATABASE_URL', 'MAPS_KEY'], { client: ['MAPS_KEY'] })
let project: Project
const options = (): InlineConfig =>
  viteConfig(project, config(), { build: { outDir: 'dist' } }) as unknown as InlineConfig

afterEach(() => {
  expect(canariesIn(project.output.join('\n'), [DATABASE_URL])).toEqual([])
  project.remove()
  vi.unstubAllEnvs()
})

it('builds, guards and scans', async () => {
  project = await makeProject(files, { DATABASE_URL, MAPS_KEY })
  await build(options())
  const text = filesBelow(join(project.root, 'dist'))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
  expect(text).toContain(`<title>${MAPS_KEY}`)
  expect(text).not.toContain(DATABASE_URL)

  project.write({
    'src/main.ts': `import './db.ts'`,
    'src/db.ts': `const url: string = import.meta.env.DATABASE_URL\nconsole.log(url)`,
  })
  const denied = await failure(build(options()))
  expect(denied).toMatch(/Client code reads DATABASE_URL.*src\/db\.ts:1:21\s+imported by src\/main\.ts/s)

  project.write({ 'src/main.ts': `console.log('${DATABASE_URL}')` })
  const found = await failure(build(options()))
  expect(found).toMatch(/DATABASE_URL +dist\/assets\/\S+\.js/)
  expect(canariesIn(denied + found, [DATABASE_URL])).toEqual([])
})

it('serves in dev and denies there', async () => {
  project = await makeProject(
    { ...files, 'src/server.ts': `export { DATABASE_URL } from 'virtual:secrets/server'` },
    { DATABASE_URL, MAPS_KEY },
  )
  const server = await createServer({ ...options(), server: { middlewareMode: true } })
  expect((await server.ssrLoadModule('/src/server.ts')).DATABASE_URL).toBe(DATABASE_URL)
  await expect(server.transformRequest('/src/server.ts')).rejects.toThrow(
    /Client code imports virtual:secrets\/server/,
  )
  await server.close()
})
