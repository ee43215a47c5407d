import secretsOfServer from 'unplugin-secrets/rollup'
import secrets from 'unplugin-secrets/vite'

export default defineNuxtConfig({
  compatibilityDate: '2026-01-01',
  telemetry: false,
  // Vite builds the pages, for browsers and for rendering; Nitro builds `server/` with Rollup.
  vite: { plugins: [secrets()] },
  nitro: {
    rollupConfig: { plugins: [secretsOfServer({ consumer: 'server' })] },
    prerender: { routes: ['/about'] },
  },
})
