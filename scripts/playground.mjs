// `npm run playground`: the small app in playground/ by Vite's dev server, with the plugin from its sources. What its
// local vault lacks gets a random value first, so that a fresh checkout just starts.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { loadSource } from '../bench/load.mjs'
import './page.mjs'

const root = fileURLToPath(new URL('../playground/', import.meta.url))
const { createSecrets } = await loadSource('src/index.ts')
const { config, contextFor, close } = await createSecrets({ root })
const references = [...config.secrets.values()].flatMap(({ reference }) => reference ?? [])
const paths = references.filter(({ provider }) => provider === 'local').map(({ path }) => path)
const local = config.providers.get('local')
const found = await local.read(
  paths.map((path) => ({ path, options: {} })),
  contextFor('local'),
)
for (const [index, path] of paths.entries()) {
  if (found[index] === undefined)
    await local.write(
      { path, value: `${path.toLowerCase()}-${randomBytes(9).toString('hex')}` },
      contextFor('local'),
    )
}
await close()
const vite = fileURLToPath(new URL('../node_modules/vite/bin/vite.js', import.meta.url))
spawn(process.execPath, [vite, root, ...process.argv.slice(2)], { stdio: 'inherit' }).once('exit', (code) => {
  process.exitCode = code ?? 1
})
