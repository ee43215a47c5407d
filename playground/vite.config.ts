import { defineConfig } from 'vite'
import secrets from '../src/bundlers/vite.ts'

export default defineConfig({
  plugins: [secrets()],
  build: { outDir: 'dist/client', sourcemap: true },
  environments: {
    ssr: {
      build: {
        outDir: 'dist/server',
        ssr: true,
        sourcemap: true,
        rolldownOptions: { input: 'src/server.ts' },
      },
    },
  },
  builder: {},
})
