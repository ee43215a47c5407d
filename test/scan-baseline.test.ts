import { join } from 'node:path'
import { afterAll, expect, it, vi } from 'vitest'
import { withoutHashes } from '../src/core/scan/baseline.ts'
import { createScanner, scanFolder, updateBaseline } from '../src/core/scan/index.ts'
import { canariesIn, canary } from './support/canary.ts'
import { buildClient, failure, fromLocal, makeProject } from './support/project.ts'

const TOKEN = canary('token')
const said: string[] = []
afterAll(() => {
  vi.unstubAllEnvs()
  expect(canariesIn(said.join('\n'), [TOKEN])).toEqual([])
})

it('builds let through what was accepted, in the bundle and in public/, and nothing else', async () => {
  const main = (more = ''): string => `console.log('${TOKEN}', '${more}')`
  const project = await makeProject(
    {
      'index.html': '<script type="module" src="/src/main.ts"></script>',
      'src/main.ts': main(),
      'public/robots.txt': TOKEN,
    },
    { TOKEN },
  )
  try {
    await buildClient(project, fromLocal(['TOKEN'], { scan: false }))
    const scanner = createScanner([{ name: 'TOKEN', text: TOKEN }])
    const accept = async (folder: string): Promise<void> => {
      const { findings } = await scanFolder(scanner, join(project.root, folder))
      const scope = { root: project.root, folder, environment: 'production' }
      await updateBaseline(findings, scanner, { file: join(project.root, '.secrets-baseline.json'), scope })
    }
    await accept('dist')
    // The same file is met in two places.
    said.push(await failure(buildClient(project, fromLocal(['TOKEN']))))
    expect(said.at(-1)).toMatch(/TOKEN {2}public\/robots\.txt:1:1 {2}plain/)
    await accept('public')
    await buildClient(project, fromLocal(['TOKEN']))
    // Other code, so another hash: still accepted. Another form: not.
    project.write({ 'src/main.ts': `\n\n${main('more')}` })
    await buildClient(project, fromLocal(['TOKEN']))
    project.write({ 'src/main.ts': main(Buffer.from(TOKEN).toString('hex')) })
    said.push(await failure(buildClient(project, fromLocal(['TOKEN']))))
    expect(said.at(-1)).toMatch(
      /1 server-only secret found in 1 place:\n {2}TOKEN {2}dist\/assets\/index-.* hex\n/,
    )
    // Without the key nothing is accepted.
    vi.stubEnv('SECRETS_KEY', 'cd'.repeat(32))
    vi.stubEnv('TOKEN', TOKEN)
    const fromEnv = { providers: { env: { type: 'env' } }, secrets: { TOKEN: 'env:TOKEN' } }
    said.push(await failure(buildClient(project, fromEnv)))
    expect(said.at(-1)).toContain(
      '.secrets-baseline.json was not used: it was made with another project key.',
    )
    expect(canariesIn(said.join(), [TOKEN])).toEqual([])
  } finally {
    project.remove()
  }
})

it.each([
  ['assets/index-DiwrgTda.js', 'assets/index-*.js'],
  ['assets/index-B-_x9aQz.js.map', 'assets/index-*.js.map'],
  ['index-BxK3_q-Z.css', 'index-*.css'],
  ['main.3f2a9c1b77de.chunk.js', 'main.*.chunk.js'],
  ['js/app~0123456789abcdef0123.js', 'js/app~*.js'],
  ['3f2a9c1b77de0c45aabb.png', '*.png'],
  ['chunk-ABCD2345.js (inline source map)', 'chunk-*.js (inline source map)'],
  ['app/page-0a1b2c3d4e5f6071.js', 'app/page-*.js'],
  ['index.html', 'index.html'],
  ['my-component.js', 'my-component.js'],
  ['service-provider.js', 'service-provider.js'],
  ['deadbeef.js', 'deadbeef.js'],
  ['robots.txt', 'robots.txt'],
])('%s is %s from one build to the next', (name, stable) => expect(withoutHashes(name)).toBe(stable))
