// Builds the dashboard's page into dist/dashboard/, with its UI library inside: a browser is sent these three files
// and nothing else. Quick enough to go before the playground each time.
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const page = fileURLToPath(new URL('../src/dashboard/page/', import.meta.url))
const out = fileURLToPath(new URL('../dist/dashboard/', import.meta.url))

await build({
  absWorkingDir: page,
  entryPoints: ['main.tsx', 'app.css'],
  entryNames: 'app',
  outdir: out,
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['es2022', 'chrome123', 'firefox121', 'safari17.5'],
  legalComments: 'none',
  logLevel: 'warning',
})
cpSync(join(page, 'index.html'), join(out, 'index.html'))
