import { defineConfig } from 'rolldown'
import secrets from 'unplugin-secrets/rolldown'

export default defineConfig([
  { input: 'src/page.ts', plugins: [secrets()], output: { dir: 'dist/page', sourcemap: true } },
  {
    input: 'src/server.ts',
    platform: 'node',
    plugins: [secrets({ consumer: 'server' })],
    output: { dir: 'dist/server', sourcemap: true },
  },
])
